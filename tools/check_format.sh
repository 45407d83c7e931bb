#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
# check_format.sh [--fix]: are all C++ sources formatted as .clang-format says? With --fix, make them so.
# Exit status: 0 yes, 1 no (the files are listed), 77 no clang-format-14 here.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v clang-format-14 >/dev/null; then
  echo "check_format.sh: skipped: no clang-format-14 here ('tools/install_dependencies.sh test' installs it)"
  exit 77
fi
mapfile -d '' files < <(find src partition tests bench -type f \
  \( -name '*.?pp' -o -name '*.cu' -o -name '*.cuh' \) -print0 2>/dev/null || true)
[[ ${#files[@]} -gt 0 ]] || exit 0
if [[ ${1:-} == --fix ]]; then
  exec clang-format-14 -i "${files[@]}"
fi
if ! output=$(clang-format-14 --dry-run --Werror "${files[@]}" 2>&1); then
  grep -E '(error|warning):' <<<"$output" | cut -d: -f1 | sort | uniq -c || echo "$output"
  echo "check_format.sh: lines to change are counted above; 'tools/check_format.sh --fix' changes them"
  exit 1
fi
echo "format: ${#files[@]} files in order"
