#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
#
#   search_test.sh TESSERA
#
# Searches settings with an array of two tasks on a real Slurm of two hosts, once undisturbed and once warned half-way and
# submitted again. The oracle is one process on one host: all searches have the same results.
# Exit status: 0 passed, 1 failed, 64 wrong usage, 77 skipped: no cluster can be started here.
set -euo pipefail
# shellcheck source=tests/cluster/cluster_test_lib.sh
source "$(dirname "$(readlink -f "$0")")/cluster_test_lib.sh"
[[ $# -eq 1 && -x $1 ]] || { echo "usage: search_test.sh TESSERA" >&2; exit 64; }
TESSERA_BIN=$(readlink -f "$1")
export TESSERA_BIN
start_cluster 2

awk 'BEGIN {
  for (e = 0; e < 100; ++e)
    for (r = 1; r <= 5; ++r) printf "e%03d\tplus_%d\te%03d\n", e, r, (e + r) % 100
}' >triples.tsv
cat >job.toml <<'TOML'
data = { graph = "tiny.kg", parts = 2 }
run.folder = "run"
model.dim = 16
train = { epochs = 27, batch_size = 64 }
negatives.count = 32
validate.every = 3
TOML
for folder in alone array warned; do
  cat >"$folder.toml" <<TOML
search = { job = "job.toml", folder = "$folder", trials = 6, first_epochs = 3 }
[space]
model.dim = [16, 32]
optimiser.learning_rate = { from = 0.02, to = 0.5, log = true }
TOML
done
search=(--cpus-per-task=1 --array=1-2 --wait --parsable --output=%A-%a.log --time=30)
# The results without their seconds, in order.
results() { sed 's/"seconds":[^,]*,//' "$1/results.jsonl" | sort; }
expect_same_results() {
  [[ $(results "$1") == "$(results alone)" ]] || failed "$1: $(results "$1"), expected $(results alone)"
}

title "the oracle: one process on one host"
{ "$TESSERA_BIN" import triples.tsv -o tiny.kg && "$TESSERA_BIN" partition tiny.kg --parts 2; } >prepare.log 2>&1 ||
  failed "$(cat prepare.log)"
on c1 "$TESSERA_BIN" search alone.toml >alone.log 2>&1 || failed "search alone: $(cat alone.log)"

title "an array of two tasks"
job=$(on c1 sbatch "${search[@]}" "$batch_files/search.sbatch" array.toml) || failed "search.sbatch: $(cat -- *-[12].log)"
expect_same_results array
for task in 1 2; do
  grep -q "the best is 'array/" "$job-$task.log" || failed "task $task: $(cat "$job-$task.log")"
done

title "warned half-way, submitted again"
on c1 sbatch "${search[@]}" "$batch_files/search.sbatch" warned.toml >warned.id &
waiting=$!
for _ in {1..200}; do
  [[ $(grep -c "" warned/results.jsonl 2>/dev/null || true) -lt 2 ]] || break
  sleep 0.1
done
on c1 scancel --batch --signal=USR1 --name=tessera-search || true
wait "$waiting" || true
on c1 sbatch "${search[@]}" "$batch_files/search.sbatch" warned.toml >/dev/null || failed "search.sbatch again"
expect_same_results warned

title "wrong use"
on c1 sbatch "${search[@]}" --array=1 "$batch_files/search.sbatch" absent.toml >wrong.id && failed "absent.toml was accepted"
grep -q "'absent.toml' cannot be read" "$(cat wrong.id)-1.log" || failed "no message: $(cat "$(cat wrong.id)-1.log")"

finish
