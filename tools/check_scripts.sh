#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
# check_scripts.sh: runs shellcheck on every shell script of the project, and checks the two SPDX lines of every script.
# Exit status: 0 clean, 1 findings, 77 no shellcheck here.
set -euo pipefail
cd "$(dirname "$0")/.."

spdx='# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0'
mapfile -t scripts < <(grep -rlIE '^#!.*\b(bash|sh)\b' .ci bench jobs slurm tests tools 2>/dev/null | sort)
status=0
for script in "${scripts[@]}" tools/*.py; do
  if [[ $(sed -n 2,3p "$script") != "$spdx" ]]; then
    echo "$script:2: the second and third line must be the SPDX lines"
    status=1
  fi
done
if ! command -v shellcheck >/dev/null; then
  [[ $status -eq 0 ]] || exit "$status"
  echo "check_scripts.sh: skipped: no shellcheck here ('tools/install_dependencies.sh test' installs it)"
  exit 77
fi
shellcheck "${scripts[@]}" || status=1
[[ $status -ne 0 ]] || echo "shellcheck: ${#scripts[@]} scripts in order"
exit "$status"
