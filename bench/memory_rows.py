# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks of memory and precision: bytes and MRR of small rows, products in bf16, plans against runs, tables on disk.
Part of bench/run.py."""

import json
import statistics
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

JOBS = Path(__file__).resolve().parent.parent / "jobs"
SEEDS = (1, 2, 3)


class MemoryBenchmarks:
    """Benchmarks `memory`, `precision` and `products`; the class that inherits has the helpers of Bench."""

    FP32 = {}
    SMALL = {  # what: keys, the form that they are compared with, most bytes per parameter, least MRR in per cent of it
        "bf16 rows, state in 8 bits": ({"run.rows": "bf16", "optimiser.state": "log8"}, FP32, 3.05, 99.5),
        "bf16 rows, one state a row": ({"run.rows": "bf16", "optimiser.name": "rowwise_adagrad"},
                                       {"optimiser.name": "rowwise_adagrad"}, 2.05, 99.5),
        "int8 rows, 2 % hot, one state a row": ({"run.rows": "int8", "optimiser.name": "rowwise_adagrad"},
                                                {"optimiser.name": "rowwise_adagrad"}, 1.3, 98.5)}

    # ---- precision

    def recipe_mrr(self, graph, seed, keys):
        run = self.fresh("precision-run")
        overrides = {"data.graph": graph, "data.parts": 8, "run.folder": run, "run.seed": seed, "validate.every": 0, **keys}
        self.tessera("train", JOBS / "fb15k-237-complex.toml", *self.words(overrides), ranks=2, threads=1)
        return json.loads(self.tessera("evaluate", "--json", run, ranks=2, threads=1))["mrr"]

    def bench_precision(self):
        """Test MRR with small rows against fp32: FB15k-237 and WN18RR, ComplEx d = 128, 12 epochs, three seeds."""
        for data, keys in (("FB15k-237", {}), ("WN18RR", {"regulariser.weight": 0.1})):
            graph = self.imported(data, f"{data}-metis.kg", "metis")
            found = {}

            def mrr(form, seed):
                at = (tuple(form.items()), seed)
                if at not in found:
                    found[at] = self.recipe_mrr(graph, seed, {"train.epochs": 12, **keys, **form})
                return found[at]

            for what, (form, reference, _, least) in self.SMALL.items():
                shares = [100 * mrr(form, seed) / mrr(reference, seed) for seed in SEEDS]
                values = ", ".join(f"{mrr(form, seed):.4f} of {mrr(reference, seed):.4f}" for seed in SEEDS)
                self.report("precision", f"{data}, {what}", statistics.mean(shares), "% of MRR", least, note=f"({values})")

    # ---- products in bf16 on the CPU

    PAIRS = 3

    def bench_products(self):
        """Exact step with products in bf16 against fp32, FB15k-237, d = 128 and 256, one core, in alternating runs."""
        graph = self.fb15k_tenth()
        for dim in (128, 256):
            self.machine()
            runs = {"fp32": [], "bf16": []}
            for _ in range(self.PAIRS):
                for products, found in runs.items():
                    keys = {**self.EXACT, "model.dim": dim, "train.epochs": 1, "run.products": products}
                    found.append(self.trained(graph, SimpleNamespace(keys=keys, ranks=1, threads=1)))
            fastest = [min(run.epochs[0]["seconds"] for run in found) for found in runs.values()]
            work = [fp32.done.cpu_seconds / bf16.done.cpu_seconds for fp32, bf16 in zip(*runs.values())]
            self.report("products", f"exact step, d = {dim}: bf16 against fp32", fastest[0] / fastest[1], "times", 1.4,
                        note=f"(the fastest of {self.PAIRS} runs each; processor time, by pairs: {min(work):.2f} to {max(work):.2f})")
            for products, peak in (("fp32", "fma_gflops_one_core"), ("bf16", "bf16_gflops_one_core")):
                rate = max(run.epochs[0]["triples_per_second"] for run in runs[products])
                share = rate * 12 * dim * 14541 / (self.peak[peak] * 1e9)
                self.report("products", f"  share of the {products} peak (products only)", 100 * share, "%")

    def bench_products_mrr(self):
        """Test MRR of exact training with products in bf16 against fp32: FB15k-237, 12 epochs, three seeds."""
        graph = self.imported("FB15k-237", "FB15k-237-metis.kg", "metis")
        keys = {**self.EXACT, "train.group_queries": "true", "train.batch_size": 250, "train.epochs": 12, "optimiser.learning_rate": 0.2}
        pairs = [[self.recipe_mrr(graph, seed, {**keys, "run.products": products}) for products in ("auto", "bf16")]
                 for seed in SEEDS]
        self.report("products", "test MRR, bf16 less fp32", statistics.mean(bf16 - fp32 for fp32, bf16 in pairs), "", -0.002,
                    note="(" + ", ".join(f"{bf16:.4f} and {fp32:.4f}" for fp32, bf16 in pairs) + ")")

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
        if self.arguments.big:
            self.freebase_shape()

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

    # ---- the shape of Freebase

    BIG_TRIPLES = 305_500_000
    BIG_ENTITIES = 90_500_000  # of which 86 M are in a triple
    BIG = {  # what: keys of the job, most GiB of both ranks together
        "dim 100, bf16 rows, one state a row": ({"model.dim": 100, "run.memory": "10.5GiB"}, 21),
        "dim 160, a quarter of the parts in memory": ({"model.dim": 160, "memory.resident_parts": 16, "run.memory": "6GiB"}, 12),
        "dim 10": ({"model.dim": 10, "run.memory": "3GiB"}, 6)}

    def freebase_shape(self):
        """86 M entities, 305 M triples, 64 parts, two ranks: some segments of an epoch, a save, going on, 500 triples ranked."""
        graph = self.work / "freebase-shape.kg"
        if not (graph / "parts-64").exists():
            self.import_big(graph)
        tenth = 2 * self.BIG_TRIPLES // 10 // 16384
        for what, (keys, most) in self.BIG.items():
            run = self.fresh("big-run")
            job = self.memory_job(graph, run, **{
                "data.parts": 64, "run.rows": "bf16", "optimiser.name": "rowwise_adagrad", "train.batch_size": 16384,
                "train.segment_steps": tenth, **keys})
            first = self.stopped_at(tenth, job, [])
            going_on = self.stopped_at(1, job, ["--resume"])
            self.name_as_epoch(run)
            ranked = self.tessera_measured("evaluate", run, "--json", "--max-triples", 250, ranks=2, threads=1)
            peak = max(2 * done.peak_bytes for done in (first, going_on, ranked)) / 2**30
            self.report("memory", f"86 M entities, {what}: both ranks", peak, "GiB", most, at_most=True,
                        note=f"(500 queries ranked in {json.loads(ranked.out)['seconds']:.0f} s)")

    def stopped_at(self, step, job, words):
        """Trains until a step of rank 0, which asks for a stop: the run saves at the end of the segment."""
        self.environment["TESSERA_FAULT"] = f"train.step:0:{step}:signal"
        done = self.tessera_measured("train", *job, *words, ranks=2, threads=1, status=75)
        del self.environment["TESSERA_FAULT"]
        return done

    @staticmethod
    def name_as_epoch(run):
        """Ranking takes checkpoints of whole epochs alone; here one within the first epoch is ranked under the name of one."""
        checkpoints = run / "checkpoints"
        next(checkpoints.glob("epoch-*-segment-*")).rename(checkpoints / "epoch-000001")

    def import_big(self, graph):
        self.fresh(graph.name)
        generate = [self.program("generate_graph"), "--triples", str(self.BIG_TRIPLES), "--entities", str(self.BIG_ENTITIES),
                    *"--relations 14824 --communities 4096".split()]
        start = time.monotonic()
        with subprocess.Popen(generate, stdout=subprocess.PIPE) as text:
            subprocess.run([self.program("tessera"), "import", "-", "--valid-fraction", "0.0002", "--test-fraction", "0.0002",
                            "--memory", "6GiB", "-o", str(graph)], stdin=text.stdout, check=True)
        self.report("memory", "import of 305 M triples, names on disk", self.BIG_TRIPLES / 1e6 / (time.monotonic() - start), "M/s", 0.8)
        start = time.monotonic()
        self.tessera("partition", graph, "--parts", 64, "--method", "stream", "--no-compare", threads=2)
        self.report("memory", "partition of 305 M triples, 86 M entities, 64 parts", time.monotonic() - start, "s")
