#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
# What the batch files of this folder share. slurm/README.md explains the settings.

die() {
  echo "$batch_file: $2" >&2
  exit "$1"
}

# prepare FILE USAGE [ARGUMENT...]: checks what the batch file FILE was given; sets batch_file and tessera.
prepare() {
  batch_file=$1
  tessera=${TESSERA_BIN:-tessera}
  [[ $# -gt 2 ]] || die 64 "usage: sbatch slurm/$1 $2"
  [[ -r $3 ]] || die 66 "the file '$3' cannot be read in $PWD"
  command -v "$tessera" >/dev/null || die 69 "'$tessera' is no program here; set TESSERA_BIN"
  # srun does not pass --cpus-per-task on by itself since Slurm 22.05.
  export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1} OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
}

# Sets launch: what comes before the program to start its ranks.
choose_launcher() {
  local launcher=${TESSERA_LAUNCHER:-}
  if [[ -z $launcher ]]; then
    if [[ $(srun --mpi=list 2>&1) == *pmix* ]]; then launcher=srun; else launcher=mpirun; fi
  fi
  case $launcher in
    srun) launch=(srun --mpi=pmix --cpu-bind=cores --kill-on-bad-exit=0) ;;
    mpirun) launch=(mpirun --bind-to none) ;;
    *) read -ra launch <<<"$launcher" ;;
  esac
}

# run_alone COMMAND ARGUMENT...: one process.
run_alone() {
  echo "$(date +%FT%T) $tessera $* (job $SLURM_JOB_ID)"
  exec "$tessera" "$@"
}

# run_ranks COMMAND ARGUMENT...: all ranks.
run_ranks() {
  choose_launcher
  echo "$(date +%FT%T) ${launch[*]} $tessera $* (job $SLURM_JOB_ID)"
  exec "${launch[@]}" "$tessera" "$@"
}

# train_ranks ARGUMENT...: trains until it is done, or saves and requeues the job. USR1 is Slurm's warning; both launchers
# forward it, and the ranks save and leave with 75. TERM comes from a person or from preemption: save as well, but leave it
# to them whether the job runs again.
train_ranks() {
  choose_launcher
  step='' interrupted='' terminated=''
  trap save USR1
  trap 'terminated=yes; save' TERM
  echo "$(date +%FT%T) ${launch[*]} $tessera train $* (job $SLURM_JOB_ID, restarts: ${SLURM_RESTART_COUNT:-0})"
  "${launch[@]}" "$tessera" train "$@" --resume &
  step=$!
  local status=0
  while :; do # a trap ends `wait` early
    interrupted=''
    if wait "$step"; then status=0; else status=$?; fi
    [[ -n $interrupted ]] || break
  done
  [[ $status -ne 75 || -n $terminated ]] || requeue
  exit "$status"
}

# shellcheck disable=SC2317 # called by the traps
save() {
  interrupted=yes
  [[ -z $step ]] || kill -USR1 "$step" 2>/dev/null || true
}

requeue() {
  local restarts=${SLURM_RESTART_COUNT:-0} most=${TESSERA_MAX_RESTARTS:-50}
  ((restarts < most)) || die 75 "saved, but not requeued: $restarts restarts are enough (TESSERA_MAX_RESTARTS)"
  scontrol requeue "$SLURM_JOB_ID" || die 75 "saved, but Slurm does not requeue this job; submit it again to go on"
  sleep 60 # Slurm ends the batch file here
}
