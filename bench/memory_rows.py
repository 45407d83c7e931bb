# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks of memory: bytes and MRR of small rows, plans against runs, tables on disk. Part of bench/run.py."""

import json
import statistics
from pathlib import Path

JOBS = Path(__file__).resolve().parent.parent / "jobs"
SEEDS = (1, 2, 3)


class MemoryBenchmarks:
    """Benchmarks `memory` and `precision`; the class that inherits has the helpers of Bench."""

    FP32 = {}
    SMALL = {  # what: keys, the form that they are compared with, most bytes per parameter, least MRR in per cent of it
        "bf16 rows, state in 8 bits": ({"run.rows": "bf16", "optimiser.state": "log8"}, FP32, 3.05, 99.5),
        "bf16 rows, one state a row": ({"run.rows": "bf16", "optimiser.name": "rowwise_adagrad"},
                                       {"optimiser.name": "rowwise_adagrad"}, 2.05, 99.5),
        "int8 rows, 2 % hot, one state a row": ({"run.rows": "int8", "optimiser.name": "rowwise_adagrad"},
                                                {"optimiser.name": "rowwise_adagrad"}, 1.3, 98.5)}

    # ---- precision

    def recipe_mrr(self, stem, graph, seed, keys):
        run = self.fresh("precision-run")
        overrides = {"data.graph": graph, "data.parts": 8, "run.folder": run, "run.seed": seed, "validate.every": 0, **keys}
        self.tessera("train", JOBS / f"{stem}.toml", *self.words(overrides), ranks=2, threads=1)
        return json.loads(self.tessera("evaluate", "--json", run, ranks=2, threads=1))["mrr"]

    def bench_precision(self):
        """Test MRR with small rows against fp32: FB15k-237 and WN18RR, ComplEx d = 128, 12 epochs, three seeds."""
        for data, keys in (("FB15k-237", {}), ("WN18RR", {"regulariser.weight": 0.1})):
            graph = self.imported(data, f"{data}-metis.kg", "metis")
            found = {}

            def mrr(form, seed):
                at = (tuple(form.items()), seed)
                if at not in found:
                    found[at] = self.recipe_mrr("fb15k-237-complex", graph, seed, {"train.epochs": 12, **keys, **form})
                return found[at]

            for what, (form, reference, _, least) in self.SMALL.items():
                shares = [100 * mrr(form, seed) / mrr(reference, seed) for seed in SEEDS]
                values = ", ".join(f"{mrr(form, seed):.4f} of {mrr(reference, seed):.4f}" for seed in SEEDS)
                self.report("precision", f"{data}, {what}", statistics.mean(shares), "% of MRR", least, note=f"({values})")

    # ---- memory

    def memory_job(self, graph, run, **overrides):
        return self.speed_job(graph, run, **{"train.epochs": 1, "negatives.count": 256, "data.parts": 16, "run.memory": "20GiB",
                                             **overrides})

    @staticmethod
    def words(keys):
        return [f"{key}={value}" for key, value in keys.items()]

    def bench_memory(self):
        """Small rows, plans and tables on disk: a generated graph of 1 M entities and 5 M triples, d = 128."""
        graph = self.generated(self.work / "generated-5m.kg", 5, 1, 16, "--valid-fraction", 0.0002, "--test-fraction", 0.0002).parent
        self.bytes_per_parameter(graph)
        self.plans(graph)
        self.tables_on_disk(graph)

    def bytes_per_parameter(self, graph):
        for what, (form, _, most, _) in self.SMALL.items():
            plan = json.loads(self.tessera("plan", "--json", *self.memory_job(graph, self.fresh("memory-run"), **form)))
            purposes = plan["stages"]["evaluate"]["by_purpose"]
            state = plan["stages"]["train"]["by_purpose"]["state"]
            self.report("memory", f"{what}: bytes per parameter", (purposes["rows"] + state) / (plan["entities"] * 128), "B", most,
                        at_most=True)

    def plans(self, graph):
        """Peaks of whole runs of one rank against their plans."""
        run = self.fresh("memory-run")
        job = self.memory_job(graph, run, **{"validate.every": 1, "validate.max_triples": 200})
        stages = json.loads(self.tessera("plan", "--json", *job))["stages"]
        train = self.tessera_measured("train", *job, threads=2)
        used = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])["peak_bytes"]
        planned = stages["train"]["by_purpose"]
        self.report("memory", "pool of 'train' against its plan", 100 * abs(sum(used.values()) / sum(planned.values()) - 1), "% off",
                    5, at_most=True)
        runs = {"train": train, "evaluate": self.tessera_measured("evaluate", run, threads=2),
                "export": self.tessera_measured("export", run, "-o", self.fresh("memory-model"))}
        for name, done in runs.items():
            off = 100 * abs(done.peak_bytes / stages[name]["all_bytes"] - 1)
            self.report("memory", f"resident memory of '{name}' against its plan", off, "% off", 5, at_most=True,
                        note=f"({done.peak_bytes / 2**20:,.0f} MiB)")

    def tables_on_disk(self, graph):
        """A quarter of the parts in memory: speed and memory against all of them."""
        rates, peaks = {}, {}
        for resident in ("all", "4"):
            run = self.fresh("memory-run")
            keys = {"memory.resident_parts": resident, "validate.every": 0, "train.epochs": 2}
            done = self.tessera_measured("train", *self.memory_job(graph, run, **keys), threads=2)
            epochs = [json.loads(line) for line in (run / "metrics.jsonl").open()]
            rates[resident], peaks[resident] = epochs[-1]["triples_per_second"], done.peak_bytes
        self.report("memory", "4 of 16 parts in memory: speed of all in memory", 100 * rates["4"] / rates["all"], "%", 85,
                    note=f"({rates['4']:,.0f} triples/s; {peaks['4'] / 2**20:,.0f} of {peaks['all'] / 2**20:,.0f} MiB resident)")
