#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
set -uo pipefail

usage() {
  cat <<'TEXT'
usage: bench/first_light.sh [--data DIR] [--work DIR] [--results DIR] [--seconds N] [--build-dir DIR] [--smoke]

Runs everything that a GPU has to show, unattended, in 9 minutes at most. Each step has a time limit, and the others go on
if it fails:

  facts      the machine, its devices, the CUDA libraries that are used
  gpu_tests  every test that needs a GPU
  card       copies and matrix products of the device; the exact-softmax step
  fb15k      FB15k-237, ComplEx-N3 of rank 1,000, 20 epochs; its test MRR
  sampled    sampled steps on a graph in the shape of Freebase86m
  evaluate   exact ranking of FB15k-237's test split by the model of fb15k
  memory     planned and measured device memory of fb15k

options
  --data DIR       has FB15k-237/train.tsv.zst, valid and test; default: data/ of a bundle, else TESSERA_DATA, else ../shared/data;
                   with --smoke some made-up triples
  --work DIR       for graphs, runs and logs; default ./first-light
  --results DIR    for first_light.log (all output, as it comes), first_light.json (after each step); default WORK
  --seconds N      of all steps together; default 500. A step that does not end when it is told to takes 40 s more
  --build-dir DIR  what to run; default: the bundle that this file is in, else build/cuda (build/release with --smoke)
  --smoke          on the host with tiny settings, without the steps that need a device: does the script work?
  --help           this text

exit status: 0 all steps are done and no figure was missed; 1 not so; 64 wrong usage; 69 no program or no python3
TEXT
}

die() {
  echo "first_light.sh: $2" >&2
  exit "$1"
}

parse_options() {
  root=$(cd "$(dirname "$0")/.." && pwd)
  data='' work=first-light results='' build_dir='' smoke=no allowed=500
  while [[ $# -gt 0 ]]; do
    case $1 in
      --smoke) smoke=yes ;;
      --help | -h) usage; exit 0 ;;
      --data | --work | --results | --seconds | --build-dir)
        [[ -n ${2:-} ]] || die 64 "$1 takes a value"
        case $1 in
          --data) data=$2 ;;
          --work) work=$2 ;;
          --results) results=$2 ;;
          --seconds) allowed=$2 ;;
          --build-dir) build_dir=$2 ;;
        esac
        shift
        ;;
      *) usage >&2; die 64 "unknown option '$1'" ;;
    esac
    shift
  done
  [[ $allowed =~ ^[1-9][0-9]{0,4}$ ]] || die 64 "--seconds takes a number of seconds, not '$allowed'"
}

make_up_data() {
  local split
  data=$(realpath "$work")/data
  mkdir -p "$data/FB15k-237"
  for split in train:300 valid:20 test:20; do
    awk -v name="${split%:*}" -v count="${split#*:}" \
      'BEGIN { srand(length(name)); for (i = 0; i < count; ++i) printf "e%d\tr%d\te%d\n", rand() * 40, rand() * 3, rand() * 40 }' \
      >"$data/FB15k-237/${split%:*}.tsv"
  done
}

find_folders() {
  if [[ -z $build_dir ]]; then
    build_dir=$root/build/cuda
    [[ $smoke == no ]] || build_dir=$root/build/release
    [[ ! -x $root/bin/tessera ]] || build_dir=$root # a bundle
  fi
  bin=$(realpath -m "$build_dir")/bin
  [[ -x $bin/tessera ]] || die 69 "no program '$bin/tessera'; --build-dir names another build"
  command -v python3 >/dev/null || die 69 "no python3 here, which reads job files and writes the table"
  results=${results:-$work}
  mkdir -p "$work" "$results" || die 69 "'$work' and '$results' cannot be made"
  if [[ -n $data ]]; then
    data=$(realpath -m "$data")
  elif [[ $smoke == yes ]]; then
    make_up_data
  elif [[ -d $root/data ]]; then
    data=$root/data
  else
    data=${TESSERA_DATA:-$root/../shared/data}
  fi
  work=$(realpath "$work") results=$(realpath "$results")
  log=$results/first_light.log steps=$work/steps.tsv
  rm -rf -- "$work"/{gpu.jsonl,card.json,steps.tsv,run-fb15k,run-evaluate,run-memory,smoke-fb15k}
  : >"$log"
  : >"$steps"
}

# A bundle has no CUDA library. They are looked for where toolkits and Python packages of NVIDIA have them.
find_cuda_libraries() {
  local programs=$bin name folder
  [[ ! -x $bin/../libexec/tessera ]] || programs=$bin/../libexec
  export PROGRAM=$programs/tessera
  for name in $(ldd "$programs"/{tessera,gpu_bench} 2>/dev/null | awk '/not found/ { print $1 }' | sort -u); do
    while read -r folder; do
      [[ -e $folder/$name ]] || continue
      [[ :${LD_LIBRARY_PATH:-}: == *:$folder:* ]] || export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder
      break
    done < <(compgen -G '/usr/local/cuda*/lib64'; compgen -G '/usr/local/cuda*/lib'; compgen -G '/usr/local/cuda*/targets/*/lib'
      python3 -c 'import glob, sys; print(*[f for p in sys.path for f in glob.glob(p + "/nvidia/*/lib")], sep="\n")')
  done
}

# shellcheck disable=SC2317 # called by name
facts() {
  uname -a
  grep -h PRETTY_NAME /etc/os-release
  getconf GNU_LIBC_VERSION
  python3 --version
  echo "$(nproc) cores, locked memory $(ulimit -l) KiB, disk:"
  df -h .
  free -g
  env | grep -E '^(CUDA|NCCL|NVIDIA|LD_LIBRARY_PATH)'
  ldd "$PROGRAM" | grep -E 'cuda|cublas|nccl|not found'
  "$BIN/tessera" --version || return
  [[ $SMOKE == no ]] || return 0
  nvidia-smi --query-gpu=name,driver_version,memory.total,memory.used,clocks.sm,clocks.max.sm,power.limit,mig.mode.current \
    --format=csv
  nvidia-smi -L
}

# Writes the results so far; `table` prints them, too. Fails where a step or a figure is not what it should be.
report() {
  python3 - "$1" "$work" "$results" "$smoke" <<'PYTHON'
import json, pathlib, sys

how, work, results, smoke = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]), sys.argv[4] == "yes"
steps = [dict(zip(("step", "status", "seconds", "limit"), line.split("\t"))) for line in open(work / "steps.tsv").read().splitlines()]
for step in steps:
    step.update(seconds=float(step["seconds"]), limit=int(step["limit"]))
lines = (work / "gpu.jsonl").read_text().splitlines() if (work / "gpu.jsonl").exists() else []
figures = [json.loads(line) for line in lines]
partial = results / "first_light.json.part"
partial.write_text(json.dumps({"smoke": smoke, "steps": steps, "figures": figures}, indent=1) + "\n")
partial.rename(results / "first_light.json")
if how == "table":
    print(f"\n{'step':<10} {'status':<22} {'seconds':>8} {'limit':>6}")
    for step in steps:
        print(f"{step['step']:<10} {step['status']:<22} {step['seconds']:>8.1f} {step['limit']:>6}")
    print(f"\n{'figure':<62} {'value':>12} {'unit':<11} {'gate':>8} {'aim':>8}")
    for figure in figures:
        if "value" not in figure:
            print(f"{figure['row']:<62} {(figure.get('skipped') or figure.get('failed'))[:150]}")
            continue
        goals = " ".join(" " * 8 if figure[key] is None else f"{figure[key]:>8g}" for key in ("gate", "aim"))
        verdict = "" if figure["gate"] is None or smoke else "ok" if figure["good"] else "MISSED"
        print(f"{figure['what'].strip():<62} {figure['value']:>12,.4g} {figure['unit']:<11} {goals} {verdict} {figure['note']}".rstrip())
sys.exit(0 if all(s["status"] == "done" or smoke and s["status"].startswith("skipped") for s in steps) else 1)
PYTHON
}

record() { # record STEP STATUS SECONDS LIMIT
  printf '%s\t%s\t%s\t%s\n' "$@" >>"$steps"
  report json || true
}

# The status of a step in words, from its exit status and what it printed.
status_of() {
  case $1 in
    0) echo "done" ;;
    124 | 137) echo "timed out" ;;
    1)
      if grep -q '^  FAILED\|failed with status' <<<"$2"; then
        echo failed
      elif grep -q MISSED <<<"$2"; then
        echo "a figure was missed"
      elif grep -q '^  skipped: ' <<<"$2"; then
        echo skipped
      else
        echo failed
      fi
      ;;
    *) echo "failed with $1" ;;
  esac
}

# step NAME SECONDS COMMAND...: runs it for so many seconds at most, and no longer than all steps may take.
step() {
  local name=$1 limit=$2 left=$((allowed - SECONDS)) from start printed status=0
  shift 2
  [[ $limit -le $left ]] || limit=$left
  echo "== $name" | tee -a "$log"
  [[ $limit -gt 5 ]] || { record "$name" "no time left" 0 0; return; }
  from=$(stat -c %s "$log")
  start=$(date +%s.%N)
  touch "$work/started"
  # ROW_LIMIT is for run.py, whose rows end by themselves and say why.
  ROW_LIMIT=$((limit > 20 ? limit - 10 : limit)) timeout --kill-after=40 "$limit" "$@" >>"$log" 2>&1 </dev/null || status=$?
  printed=$(tail -c +$((from + 1)) "$log")
  echo "$printed"
  status=$(status_of "$status" "$printed")
  [[ $status == "done" ]] || explain
  record "$name" "$status" "$(awk -v a="$start" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }')" "$limit"
  echo "-- $name: $status" | tee -a "$log"
}

# The ends of all logs that the step wrote, so that the cause can be found elsewhere.
explain() {
  local file
  find "$work" -maxdepth 1 \( -name '*.err' -o -name '*.out' \) -newer "$work/started" -size +0 | sort | while read -r file; do
    echo "-- the end of $(basename "$file"):"
    tail -n 40 "$file"
  done | tee -a "$log"
}

# needs_device NAME: skips a step in a smoke run.
needs_device() {
  [[ $smoke == yes ]] || return 0
  record "$1" "skipped: needs a device" 0 0
  return 1
}

rows() { # rows SECONDS STEP ROW... [-- OPTION...]: a step of bench/run.py gpu
  local seconds=$1 name=$2 names=() options=()
  shift 2
  while [[ $# -gt 0 && $1 != -- ]]; do names+=("$1"); shift; done
  [[ $# -eq 0 ]] || { shift; options=("$@"); }
  [[ $smoke == no ]] || options+=(--smoke)
  # shellcheck disable=SC2016 # expanded by the shell of the step
  step "$name" "$seconds" bash -c 'exec "$0" --limit "$ROW_LIMIT" "$@"' "$root/bench/run.py" gpu --build-dir "$(dirname "$bin")" \
    --data "$data" --work "$work" --only "${names[@]}" "${options[@]}"
}

gpu_tests() {
  if [[ -x $bin/gpu_tests ]]; then
    step gpu_tests 180 "$bin/gpu_tests"
  else
    step gpu_tests 180 ctest --test-dir "$(dirname "$bin")" --label-regex '^gpu$' --output-on-failure --timeout 60
  fi
}

parse_options "$@"
find_folders
find_cuda_libraries
export BIN=$bin SMOKE=$smoke PYTHONUNBUFFERED=1
export -f facts
epochs=$([[ $smoke == yes ]] && echo 2 || echo 20)
step facts 15 bash -c facts
needs_device gpu_tests && gpu_tests
needs_device card && rows 60 card card step
rows 75 fb15k fb15k -- --without-card --set "train.epochs=$epochs"
needs_device sampled && rows 70 sampled sampled
rows 50 evaluate evaluate -- --without-card --set "train.epochs=$epochs"
rows 20 memory memory -- --without-card
report table | tee -a "$log"
exit "${PIPESTATUS[0]}"
