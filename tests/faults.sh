#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: tests/faults.sh [--quick | --long] [--seed N] [--only TEXT] [PROGRAM]

Disturbs training runs of PROGRAM (default build/release/bin/tessera) and shows a table. After each fault: all processes are gone
within the time of the watchdog, one message says why, the last checkpoint is whole, and --resume on another number of ranks gives
the bits of a run that was not disturbed. Faults: ranks and launchers are killed or stopped, also within write, fsync and rename;
calls on each file that is written give ENOSPC or EIO; a disk is full; one rank is out of memory; the clock jumps; the link between
two hosts is slow, lossy or cut; a host is lost. What this machine cannot do is skipped, and the reason is said.

  --quick      a minute, without hosts
  --long       an hour, 100 kills
  --seed N     the same random faults again
  --only TEXT  only cases whose name has TEXT in it

exit status: 0 nothing was violated, 1 something was, 64 wrong usage, 77 no compiler for the library that makes calls fail
TEXT
}

root=$(cd "$(dirname "$0")/.." && pwd)
options=()
program=$root/build/release/bin/tessera
while [[ $# -gt 0 ]]; do
  case $1 in
    --quick | --long) options+=(--amount "${1#--}") ;;
    --seed | --only)
      [[ $# -gt 1 ]] || { usage >&2; exit 64; }
      options+=("$1" "$2")
      shift
      ;;
    --help | -h) usage; exit 0 ;;
    -*) usage >&2; exit 64 ;;
    *) program=$1 ;;
  esac
  shift
done
[[ -x $program ]] || { echo "faults.sh: '$program' is no program; build it, or name it" >&2; exit 64; }
compiler=$(command -v cc || command -v gcc || command -v clang) || { echo "faults.sh: skipped: no C compiler here"; exit 77; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$compiler" -O1 -shared -fPIC -o "$scratch/shim.so" "$root/tests/faults/shim.c" -ldl
python3 "$root/tests/faults/suite.py" "$(readlink -f "$program")" "$scratch/shim.so" "${options[@]}"
