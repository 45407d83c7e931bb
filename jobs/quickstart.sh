#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: jobs/quickstart.sh [--no-install] [--build-dir DIR] [--ranks N] [--fresh]

Installs what is missing with apt, builds Tessera, and takes WordNet through the whole pipeline: import, partition,
train under mpirun, evaluate, predict. Everything is written under quickstart/. A second call reuses what is complete.

options
  --no-install      install nothing; fail when something is missing
  --build-dir DIR   default build/release
  --ranks N         MPI processes, default 2, or 1 on one core
  --fresh           import, partition and train again
  --help            this text

exit status: 64 wrong usage, 66 WordNet's files are missing, 69 missing packages; else that of the stage that failed
TEXT
}

wrong_usage() {
  usage >&2
  echo "quickstart.sh: $1" >&2
  exit 64
}

root=$(cd "$(dirname "$0")/.." && pwd)
cores=$(env -u OMP_NUM_THREADS nproc)  # nproc would say OMP_NUM_THREADS
install=yes
build_dir=$root/build/release
ranks=$((cores < 2 ? cores : 2))
fresh=no
while [[ $# -gt 0 ]]; do
  option=$1
  shift
  case $option in
    --no-install) install=no ;;
    --fresh) fresh=yes ;;
    --help | -h) usage; exit 0 ;;
    --build-dir | --ranks)
      [[ $# -gt 0 ]] || wrong_usage "$option takes a value"
      if [[ $option == --ranks ]]; then ranks=$1; else build_dir=$1; fi
      shift
      ;;
    *) wrong_usage "unknown option '$option'" ;;
  esac
done
[[ $ranks =~ ^[1-8]$ ]] || wrong_usage "--ranks takes 1 to 8 (the graph has 8 parts), not '$ranks'"
build_dir=$(realpath -m "$build_dir")
cd "$root"

# What Open MPI wants to be told when it runs as root, in containers, and with more ranks than cores.
if [[ $(id -u) -eq 0 ]]; then
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
export OMPI_MCA_btl_vader_single_copy_mechanism=${OMPI_MCA_btl_vader_single_copy_mechanism:-none}
if ((ranks > cores)); then
  export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_mpi_yield_when_idle=1
fi

# stage TITLE COMMAND...: says what it does, does it, says how long it took.
stage() {
  local title=$1 start status=0
  shift
  start=$(date +%s%N)
  echo "== $title"
  "$@" || status=$?
  if [[ $status -ne 0 ]]; then
    echo "quickstart.sh: '$title' failed with exit status $status" >&2
    exit "$status"
  fi
  local tenths=$((($(date +%s%N) - start) / 100000000))
  echo "   $title: $((tenths / 10)).$((tenths % 10)) s"
}

# keep NAME OUTPUT INPUTS TITLE COMMAND...: a stage whose output is reused when it is complete and was made from the
# same INPUTS; a stamp written after success says so. When a stage runs, all later ones run.
keep() {
  local stamp=quickstart/.$1 output=$2 inputs=$3 title=$4
  shift 4
  if [[ $fresh == no && -e $output && -f $stamp && $(cat "$stamp") == "$inputs" ]]; then
    echo "== $title: kept $output (--fresh makes it again)"
    return
  fi
  fresh=yes
  rm -rf "$stamp" "$output"
  stage "$title" "$@"
  echo "$inputs" >"$stamp"
}

build() {
  [[ -f $build_dir/build.ninja ]] || cmake --preset release -B "$build_dir" || return
  cmake --build "$build_dir" -j "$cores" --target tessera
}

wordnet_folder() {
  local file
  file=$(dpkg -L wordnet-base 2>/dev/null | grep '/data\.noun$' | head -n 1) || true
  dirname "${file:-/usr/share/wordnet/data.noun}"
}

job=jobs/wordnet.toml
graph=quickstart/wordnet.kg
run=quickstart/runs/wordnet
tessera=$build_dir/bin/tessera
launch=(mpirun -n "$ranks" --bind-to none "$tessera")

only_check=()
[[ $install == yes ]] || only_check=(--no-install)
stage "Packages" tools/install_dependencies.sh "${only_check[@]}" build
stage "Build" build

wordnet=$(wordnet_folder)
sources=()
for kind in noun verb adj adv; do
  sources+=("$wordnet/data.$kind")
  if [[ ! -r $wordnet/data.$kind ]]; then
    echo "quickstart.sh: WordNet's '$wordnet/data.$kind' is missing; the package wordnet-base has it" >&2
    exit 66
  fi
done

mkdir -p quickstart/runs
keep import "$graph" "$(cksum "${sources[@]}")" \
  "Import WordNet" "$tessera" import "${sources[@]}" --format wordnet -o "$graph"
keep partition "$graph/parts-8" "8 parts" \
  "Partition into 8 parts" "$tessera" partition "$graph" --parts 8
keep train "$run" "$(cat "$job")" \
  "Train on $ranks ranks" "${launch[@]}" train "$job"
stage "Evaluate on the test split" "${launch[@]}" evaluate "$run" --split test
stage "Predict what a dog is" "$tessera" predict "$run" --query dog.n.01 hypernym -k 10
stage "What the run folder holds" "$tessera" info "$run"
echo "Done in $SECONDS s. The results are in $run. To go on by hand:"
echo "  export PATH=$build_dir/bin:\$PATH"
[[ $(id -u) -ne 0 ]] || echo "  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"
