#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
#
#   bench/scaling.sh TESSERA GRAPH.kg [RANKS...]
#
# Trains a graph with 8 parts (GRAPH.kg/parts-8) on 1, 2, 4, 8 hosts of a Slurm cluster that runs on this machine, one rank each,
# with rows that move and with queries that move. Prints the bytes that ranks send to each other in an epoch and the seconds of
# each stage on the slowest rank. The hosts share the cores of this machine: bytes are those of a real cluster, seconds are not.
# Exit status: 0 done, 1 a job failed or the bits differ, 64 wrong usage, 77 no cluster can be started here.
set -euo pipefail
[[ $# -ge 2 && -x $1 && -d $2/parts-8 ]] || { echo "usage: bench/scaling.sh TESSERA GRAPH.kg [RANKS...] (with GRAPH.kg/parts-8)" >&2; exit 64; }
TESSERA_BIN=$(readlink -f "$1")
export TESSERA_BIN
graph=$(readlink -f "$2")
shift 2
# shellcheck source=tests/cluster/cluster_test_lib.sh
source "$(dirname "$(readlink -f "$0")")/../tests/cluster/cluster_test_lib.sh"
ranks=("$@")
[[ ${#ranks[@]} -gt 0 ]] || ranks=(1 2 4 8)
start_cluster 8

cat >rows.toml <<TOML
data = { graph = "$graph", parts = 8 }
run.folder = "unset"
run.threads = 1
model.dim = 128
train = { epochs = 3, batch_size = 4096 }
negatives = { scope = "global", count = 512 }
exchange.mode = "rows"
validate.every = 0
TOML
sed 's/"rows"/"queries"/' rows.toml >queries.toml

for mode in rows queries; do
  for n in "${ranks[@]}"; do
    title "$mode, $n ranks"
    job=$(submit --cpus-per-task=1 --nodes="$n" --ntasks="$n" train "$mode.toml" run.folder="$mode-$n")
    expect_end "$job" COMPLETED 0:0
  done
done

python3 - "${ranks[@]}" <<'PYTHON'
import json
import sys

STAGES = ("draw", "compose", "exchange", "score", "loss", "gradients", "update")
print(f"{'moves':8} {'ranks':>5} {'MB sent in an epoch':>20}  " + " ".join(f"{stage:>9}" for stage in STAGES) + "  (seconds of the slowest rank)")
for mode in ("rows", "queries"):
    for n in sys.argv[1:]:
        with open(f"{mode}-{n}/metrics.jsonl") as file:
            last = [json.loads(line) for line in file][-1]
        seconds = " ".join(f"{last['stage_seconds'][stage]:9.2f}" for stage in STAGES)
        print(f"{mode:8} {n:>5} {last['bytes_sent'] / 1e6:20.1f}  {seconds}")
PYTHON
finish
