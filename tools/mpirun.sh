#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: tools/mpirun.sh RANKS PROGRAM [ARGUMENT...]

Runs a test program as several ranks on this machine: more ranks than cores are fine, root is allowed, idle ranks yield
their core, and shared memory needs no right to look into other processes. TESSERA_MPIRUN names another mpirun than that
of the PATH, of Open MPI or MPICH.

exit status: that of the program; 64 wrong usage, 77 no mpirun here
TEXT
}

if [[ ${1:-} == --help ]]; then
  usage
  exit 0
fi
if [[ $# -lt 2 || ! $1 =~ ^[1-9][0-9]*$ ]]; then
  usage >&2
  exit 64
fi
mpirun=${TESSERA_MPIRUN:-mpirun}
if ! command -v "$mpirun" >/dev/null; then
  echo "mpirun.sh: skipped: no $mpirun here"
  exit 77
fi
ranks=$1
shift
[[ $("$mpirun" --version 2>&1) != *HYDRA* ]] || exec "$mpirun" -n "$ranks" "$@" </dev/null
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_mpi_yield_when_idle=1
exec "$mpirun" --oversubscribe --bind-to none -n "$ranks" "$@" </dev/null
