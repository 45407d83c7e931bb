#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
#
# What the cluster tests share: a cluster and a scratch folder that go away with the test, batch jobs, expectations.

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
cluster=$here/cluster.sh
batch_files=$(readlink -f "$here/../../slurm")
failures=0

# Starts a cluster and enters a scratch folder that all its hosts see. Leaves with 77 where there can be no cluster.
start_cluster() {
  scratch=$(mktemp -d "${TMPDIR:-/tmp}/tessera-cluster-test.XXXXXX")
  trap stop_cluster EXIT
  trap 'exit 130' INT TERM
  TESSERA_CLUSTER_DIR=$("$cluster" up "$1" "$$")
  export TESSERA_CLUSTER_DIR
  cd "$scratch" || exit 1
}

stop_cluster() {
  [[ -z ${TESSERA_CLUSTER_DIR:-} ]] || "$cluster" down || true
  cd / && rm -rf "$scratch"
}

on() { "$cluster" run "$@"; }

title() { echo "== $*"; }

failed() {
  failures=$((failures + 1))
  echo "FAILED: $*"
}

finish() {
  if [[ $failures -gt 0 ]]; then
    echo "$failures expectations failed; the daemons' logs:"
    "$cluster" logs
    exit 1
  fi
  echo "all as expected"
}

# submit [SBATCH-OPTION...] NAME [ARGUMENT...]: submits slurm/NAME.sbatch on c1; prints the job id.
submit() {
  local options=()
  while [[ $1 == -* ]]; do
    options+=("$1")
    shift
  done
  local name=$1
  shift
  on c1 sbatch --parsable --output=%j.log --time=30 "${options[@]}" "$batch_files/$name.sbatch" "$@"
}

# The state of a job that has ended: "COMPLETED 0:0". Slurm's memory of it comes first, then its completion log.
ended_job() {
  local text
  text=$(on c1 scontrol show job --oneliner "$1" 2>/dev/null) ||
    text=$(grep "^JobId=$1 " "$TESSERA_CLUSTER_DIR/jobcomp.txt" | tail -n 1) || return 1
  [[ $text =~ JobState=(COMPLETED|FAILED|CANCELLED|TIMEOUT|NODE_FAIL|OUT_OF_MEMORY) ]] || return 1
  local state=${BASH_REMATCH[1]}
  [[ $text =~ \ ExitCode=([0-9:]+) ]] || return 1
  echo "$state ${BASH_REMATCH[1]}"
}

show_job() {
  echo "--- job $1: $(on c1 scontrol show job --oneliner "$1" 2>&1)"
  echo "--- log of job $1"
  cat "$1.log" 2>/dev/null || echo "(none)"
  echo "---"
}

# expect_end JOB STATE STATUS:SIGNAL
expect_end() {
  local end=
  for _ in {1..240}; do
    if end=$(ended_job "$1"); then break; fi
    sleep 0.5
  done
  if [[ $end != "$2 $3" ]]; then
    failed "job $1 ended '${end:-not within 120 s}', expected '$2 $3'"
    show_job "$1"
  fi
}

# expect_log JOB PATTERN COUNT: exactly COUNT lines of the job's log match.
expect_log() {
  local count
  count=$(grep -cE -e "$2" "$1.log") || true
  if [[ $count != "$3" ]]; then
    failed "job $1: $count lines match '$2', expected $3"
    show_job "$1"
  fi
}

wait_for_log() {
  for _ in {1..120}; do
    if grep -qE -e "$2" "$1.log" 2>/dev/null; then return; fi
    sleep 0.25
  done
  failed "job $1: no line matched '$2' within 30 s"
  show_job "$1"
}
