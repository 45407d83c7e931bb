#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: tests/gpu.sh [--build-dir DIR] [--no-build]

Builds the preset cuda and runs every test that needs a GPU (ctest label gpu). Unlike tests/run.sh, which skips them
where there is none, it fails unless at least one of them ran.

options
  --build-dir DIR   default build/cuda
  --no-build        run what is built
  --help            this text

exit status: 0 all that ran passed, 1 a test or the build failed or none ran, 64 wrong usage, 69 no CUDA compiler
TEXT
}

root=$(cd "$(dirname "$0")/.." && pwd)
build_dir=$root/build/cuda
build=yes
while [[ $# -gt 0 ]]; do
  case $1 in
    --no-build) build=no ;;
    --build-dir)
      [[ $# -gt 1 ]] || { usage >&2; exit 64; }
      build_dir=$2
      shift
      ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; echo "gpu.sh: unknown option '$1'" >&2; exit 64 ;;
  esac
  shift
done

if [[ $build == yes ]]; then
  "$root/tools/build_cuda.sh" "$build_dir" tessera_gpu_tests || exit $?
fi

results=$build_dir/gpu_results.xml
rm -f "$results"
status=0
ctest --test-dir "$build_dir" --label-regex '^gpu$' --no-tests=error --output-on-failure --output-junit "$results" \
  || status=1
ran=$(grep -c '<testcase.* status="run"' "$results" 2>/dev/null || true)
if [[ ${ran:-0} -eq 0 && $status -eq 0 ]]; then
  grep -m1 -o 'skipped: .*' "$results" || true
  echo "gpu.sh: no test ran on a GPU" >&2
  exit 1
fi
exit "$status"
