#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
#
#   time_limit_test.sh TESSERA
#
# Epochs that are longer than the time limit of a job, on a real Slurm of two hosts: each job is warned by its time limit, saves
# within the epoch, and is requeued. The end has the bits of a run that nothing disturbed. Slurm counts time limits in minutes and
# looks at them every half minute: a limit of one minute with a lead of 55 s warns a job after 5 to 35 s.
# Then: tasks that Slurm started beside each other without PMIx are refused, with one message.
# Exit status: 0 passed, 1 failed, 64 wrong usage, 77 skipped: no cluster can be started here.
set -euo pipefail
# shellcheck source=tests/cluster/cluster_test_lib.sh
source "$(dirname "$(readlink -f "$0")")/cluster_test_lib.sh"
[[ $# -eq 1 && -x $1 ]] || { echo "usage: time_limit_test.sh TESSERA" >&2; exit 64; }
TESSERA_BIN=$(readlink -f "$1")
export TESSERA_BIN
start_cluster 2

awk 'BEGIN {
  for (e = 0; e < 200; ++e)
    for (r = 1; r <= 10; ++r) printf "e%03d\tplus_%d\te%03d\n", e, r, (e + r) % 200
}' >triples.tsv
# About 1,800 steps for an epoch; each takes 20 ms longer below: some 45 s.
cat >job.toml <<'TOML'
[data]
graph = "tiny.kg"
parts = 4
[run]
folder = "run"
[model]
dim = 8
[train]
epochs = 3
batch_size = 2
segment_steps = 10
[negatives]
count = 8
[validate]
every = 3
TOML
small=(--cpus-per-task=1)
digest() { grep -oE 'parameter digest +[0-9a-f]{32}' "$1" | tail -n 1 | grep -oE '[0-9a-f]{32}' || true; }

"$TESSERA_BIN" import triples.tsv -o tiny.kg >import.log 2>&1 || failed "import: $(cat import.log)"
"$TESSERA_BIN" partition tiny.kg --parts 4 >partition.log 2>&1 || failed "partition: $(cat partition.log)"
"$TESSERA_BIN" train job.toml run.folder=alone >alone.log 2>&1 || failed "train alone: $(cat alone.log)"

title "tasks that do not know each other"
status=0
on c1 srun --mpi=none -N2 -n2 "$TESSERA_BIN" train job.toml >lone.log 2>&1 || status=$?
[[ $status -eq 64 && $(grep -c '^tessera: srun started 2 tasks' lone.log) -eq 1 ]] || failed "status $status: $(cat lone.log)"
[[ ! -e run ]] || failed "a refused run left a folder"

title "epochs of 45 s, jobs of half a minute at most"
started=$SECONDS
job=$(TESSERA_FAULT=train.step:0:1:crawl TESSERA_SIGNAL_LEAD=55 submit "${small[@]}" --time=1 --signal=B:USR1@55 train job.toml)
end=
while [[ -z $end && $((SECONDS - started)) -lt 540 ]]; do
  end=$(ended_job "$job") || sleep 2
done
restarts=$(grep -c 'restarts: [1-9]' "$job.log") || true
echo "$((SECONDS - started)) s, $restarts restarts"
[[ $end == "COMPLETED 0:0" ]] || { failed "job $job: ${end:-not within 540 s}"; show_job "$job"; }
[[ $restarts -ge 4 ]] || { failed "$restarts restarts only"; show_job "$job"; }
[[ $(grep -c 'stopped on request after .* segments' "$job.log") -ge 3 ]] || { failed "no stops within epochs"; show_job "$job"; }
grep -q 'a stop request takes about' "$job.log" || failed "the lead was not said at the start: $(cat "$job.log")"
grep -q 'Slurm warns this job 55.* s before its end' "$job.log" || failed "a lead that is too short was not said"
[[ -n $(digest alone.log) && $(digest alone.log) == "$(digest "$job.log")" ]] || failed "other bits: $(digest alone.log), $(digest "$job.log")"

finish
