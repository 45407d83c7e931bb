#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
# build_cuda.sh BUILD_DIR [TARGET...]: configures the preset cuda in BUILD_DIR with the CUDA compiler of this machine and
# builds the targets (default: the modules and the benchmark that use CUDA). build_cuda.sh --compiler: only prints the
# compiler. Exit status: 0 built, 1 not, 64 wrong usage, 69 no CUDA compiler.
set -euo pipefail
case ${1:-} in
  --help | -h) sed -n '/^# build_cuda/,/^[^#]/{s/^# //p}' "$0"; exit 0 ;;
esac
[[ $# -gt 0 ]] || { echo "usage: tools/build_cuda.sh BUILD_DIR [TARGET...]" >&2; exit 64; }
build_dir=$1
[[ $build_dir == --compiler ]] || build_dir=$(realpath -m "$build_dir")
shift
targets=("$@")
[[ ${#targets[@]} -gt 0 ]] || targets=(tessera_device tessera_memory tessera_comm tessera_kernels tessera_train tessera_evaluate tessera_predict gpu_bench)
cd "$(dirname "$0")/.."

compiler=${CUDACXX:-$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)}
if [[ ! -x $compiler ]]; then
  echo "build_cuda.sh: no CUDA compiler: neither CUDACXX nor nvcc on the PATH nor $compiler" >&2
  exit 69
fi
[[ $build_dir != --compiler ]] || { echo "$compiler"; exit 0; }
if [[ ! -f $build_dir/build.ninja ]]; then
  cmake --preset cuda -B "$build_dir" -DCMAKE_CUDA_COMPILER="$compiler" || exit 1
fi
cmake --build "$build_dir" -j "$(env -u OMP_NUM_THREADS nproc)" --target "${targets[@]}" || exit 1
