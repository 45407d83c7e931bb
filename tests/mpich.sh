#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: tests/mpich.sh [--quick]

Builds Tessera with MPICH in build/mpich, beside a build with Open MPI in build/release, and runs the tests with several ranks and
those of failures. Then both builds train and evaluate the same job, on 1 to 3 ranks: parameters and ranks must have the same digests.

  --quick   only the digests

exit status: 0 passed, 1 failed, 77 no MPICH here (Debian: mpich, libmpich-dev)
TEXT
}

quick=no
case ${1:-} in
  '') ;;
  --quick) quick=yes ;;
  --help | -h) usage; exit 0 ;;
  *) usage >&2; exit 64 ;;
esac
for tool in mpicc.mpich mpiexec.mpich; do
  command -v "$tool" >/dev/null || { echo "mpich.sh: skipped: no $tool here (Debian: mpich, libmpich-dev)"; exit 77; }
done
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
export TESSERA_MPIRUN OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1
cmake --preset release -B build/mpich -DMPI_C_COMPILER=mpicc.mpich -DMPIEXEC_EXECUTABLE="$(command -v mpiexec.mpich)" >/dev/null
targets=(tessera)
[[ $quick == yes ]] || targets+=(comm_failing_rank_test comm_failing_program comm_mpi_faults_test comm_mpi_test exchange_rows_mpi_test)
cmake --build build/mpich --target "${targets[@]}"
status=0
if [[ $quick == no ]]; then ctest --test-dir build/mpich --output-on-failure -R '^(.*[.]mpi[1-4]|comm_failing_rank_test|end_to_end[.]failure)$' || status=1; fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
awk 'BEGIN {
  for (e = 0; e < 200; ++e)
    for (r = 1; r <= 10; ++r) printf "e%03d\tplus_%d\te%03d\n", e, r, (e + r) % 200
}' >"$scratch/triples.tsv"
printf 'data.graph = "data.kg"\ndata.parts = 8\nrun.folder = "run"\nrun.memory = "256MiB"\ntrain.epochs = 4\n' >"$scratch/job.toml"
build/release/bin/tessera import "$scratch/triples.tsv" -o "$scratch/data.kg" -q >/dev/null
build/release/bin/tessera partition "$scratch/data.kg" --parts 8 -q >/dev/null
digests=()
for build in release mpich; do
  TESSERA_MPIRUN=mpirun
  [[ $build != mpich ]] || TESSERA_MPIRUN=mpiexec.mpich
  for ranks in 1 2 3; do
    run() { (cd "$scratch" && "$root/tools/mpirun.sh" "$ranks" "$root/build/$build/bin/tessera" "$@" -q) }
    train=$(run train job.toml run.folder="$build-$ranks" | sed -n 's/^parameter digest *//p')
    ranked=$(run evaluate "$build-$ranks" --resamples 0 | grep -oE 'digest of all ranks [0-9a-f]{32}')
    echo "$build, $ranks ranks: parameters $train, $ranked"
    digests+=("$train $ranked")
  done
done
if [[ $(printf '%s\n' "${digests[@]}" | sort -u | wc -l) -ne 1 || -z $train || -z $ranked ]]; then
  echo "mpich.sh: the digests differ"
  status=1
fi
exit "$status"
