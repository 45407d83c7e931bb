#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: tests/run.sh [--no-install] [--build-dir DIR] [--quick] [--tidy] [--label LABEL]

Installs what the tests need with apt, builds everything, runs every test, and closes with one line:
"N passed, N failed" (", N skipped"). A test that cannot run here is skipped and says why. Where there is nvcc, what is for
GPUs is compiled, too; tests/gpu.sh runs it.

options
  --no-install      install nothing; fail when something that the build needs is missing
  --build-dir DIR   default build/release
  --quick           leave out the tests with the labels slow and cluster, and compiling for GPUs
  --tidy            run clang-tidy over tests and benchmarks too (minutes)
  --label LABEL     only tests with this label: unit, mpi, end_to_end, check, tidy_tests, cluster, slow, or long (ten
                    minutes: time limits of Slurm, faults), which no other call runs
  --help            this text

exit status: 0 all passed, 1 a test or the build failed, 64 wrong usage, 69 missing packages
TEXT
}

wrong_usage() {
  usage >&2
  echo "run.sh: $1" >&2
  exit 64
}

root=$(cd "$(dirname "$0")/.." && pwd)
install=yes
build_dir=$root/build/release
select=()
tidy=no
quick=no
label=
while [[ $# -gt 0 ]]; do
  option=$1
  shift
  case $option in
    --no-install) install=no ;;
    --quick) quick=yes ;;
    --tidy) tidy=yes ;;
    --help | -h) usage; exit 0 ;;
    --build-dir | --label)
      [[ $# -gt 0 ]] || wrong_usage "$option takes a value"
      if [[ $option == --label ]]; then
        label=$1
        select+=(--label-regex "^$1\$")
        [[ $1 != tidy_tests ]] || tidy=yes
      else
        build_dir=$1
      fi
      shift
      ;;
    *) wrong_usage "unknown option '$option'" ;;
  esac
done
excluded=()
[[ $label == long ]] || excluded+=(long)
[[ $tidy == yes ]] || excluded+=(tidy_tests)
[[ $quick == no ]] || excluded+=(slow cluster)
if [[ ${#excluded[@]} -gt 0 ]]; then
  select+=(--label-exclude "^($(IFS='|'; echo "${excluded[*]}"))\$")
fi
build_dir=$(realpath -m "$build_dir")
cd "$root"

if [[ $install == yes ]]; then
  tools/install_dependencies.sh build test cluster
else
  tools/install_dependencies.sh --no-install build
  tools/install_dependencies.sh --no-install test cluster || echo "run.sh: the tests that need them will be skipped"
fi

for_gpus=no
if [[ $quick == no && -z $label ]] && tools/build_cuda.sh --compiler >/dev/null 2>&1; then for_gpus=yes; fi

build() {
  # The build for GPUs compiles the same files again, with warnings as errors: with the same flags ccache has them.
  local flags=()
  [[ $for_gpus == no ]] || flags=(-DTESSERA_WARNINGS_AS_ERRORS=ON)
  [[ -f $build_dir/build.ninja ]] || cmake --preset release -B "$build_dir" "${flags[@]}" || return
  cmake --build "$build_dir" -j "$(env -u OMP_NUM_THREADS nproc)"
}
echo "== Building in $build_dir"
if ! build; then
  echo "run.sh: the build failed; its messages are above" >&2
  echo "0 passed, 1 failed"
  exit 1
fi

# Nothing runs on a GPU here (that is tests/gpu.sh); what is written for one must at least compile.
echo "== Building for GPUs in $root/build/cuda"
cuda=0
if [[ $quick == yes || -n $label ]]; then
  echo "run.sh: skipped: only a part of the tests is wanted"
else
  tools/build_cuda.sh "$root/build/cuda" || cuda=$?
fi
if [[ $cuda -eq 69 ]]; then
  echo "run.sh: skipped: there is no CUDA compiler here"
elif [[ $cuda -ne 0 ]]; then
  echo "run.sh: the build for GPUs failed; its messages are above" >&2
  echo "0 passed, 1 failed"
  exit 1
fi

echo "== Running the tests"
export OMP_WAIT_POLICY=passive # tests share the cores; waiting threads must not spin on them
results=$build_dir/test_results.xml
rm -f "$results"
status=0
ctest --test-dir "$build_dir" --output-on-failure --no-tests=error --output-junit "$results" \
  -j "$(env -u OMP_NUM_THREADS nproc)" "${select[@]}" || status=1

# ctest's closing line counts a skipped test as passed, so the numbers come from its report.
python3 - "$results" "$status" <<'PYTHON'
import sys
import xml.etree.ElementTree as xml


def outcome_of(case):
    if case.get("status") == "run":
        return "passed"
    skipped = case.find("skipped")
    asked_for = skipped is not None and skipped.get("message", "").startswith("SKIP_")
    return "skipped" if asked_for or case.get("status") == "disabled" else "failed"


try:
    cases = xml.parse(sys.argv[1]).getroot().findall("testcase")
except (OSError, xml.ParseError) as error:
    print(f"run.sh: ctest left no report: {error}", file=sys.stderr)
    cases = []
count = {"passed": 0, "failed": 0, "skipped": 0}
for case in cases:
    outcome = outcome_of(case)
    count[outcome] += 1
    if outcome == "skipped":
        lines = (case.findtext("system-out") or "").splitlines()
        print(f"skipped: {case.get('name')}: {next((l for l in lines if 'skipped' in l.lower()), 'no reason given')}")
if not cases or (sys.argv[2] != "0" and not count["failed"]):
    count["failed"] += 1
line = "{passed} passed, {failed} failed".format(**count)
print(line + (f", {count['skipped']} skipped" if count["skipped"] else ""))
sys.exit(1 if count["failed"] else 0)
PYTHON
