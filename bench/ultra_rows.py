# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks of models that see the graph: figures of ULTRA without training, and what training gives. Part of bench/run.py."""

import json
import statistics
from pathlib import Path
from typing import NamedTuple


class Zero(NamedTuple):
    """A graph on which ULTRA answers without training."""
    name: str
    folder: str
    weights: str
    splits: tuple
    mrr: float  # pessimistic tie rule
    off: float  # by which the MRR may be off
    milliseconds: float = 0  # most per query and core; 0: none
    minutes: float = 0  # most on two cores; 0: none


JOBS = Path(__file__).resolve().parent.parent / "jobs"


class UltraBenchmarks:
    """Benchmarks `propagation` and `propagation_training`; the class that inherits has the helpers of Bench."""

    ZERO = [Zero("UMLS", "UMLS", "3g", ("test",), 0.69601, 1e-4)] + [
        Zero(name, f"inductive/{name}_ind", "3g", ("valid", "test"), mrr, 5e-4, 1.5 if name.endswith("v1") else 0)
        for name, mrr in (("WN18RR_v1", 0.59291), ("WN18RR_v2", 0.62046), ("WN18RR_v3", 0.37127), ("WN18RR_v4", 0.48400),
                          ("fb237_v1", 0.48626), ("fb237_v2", 0.50063), ("fb237_v3", 0.48212), ("fb237_v4", 0.47691))]
    LARGE = [Zero("WN18RR", "WN18RR", "4g", ("test",), 0.4839, 5e-4, 0, 10),
             Zero("FB15k-237", "FB15k-237", "3g", ("test",), 0.3693, 5e-4, 40, 20)]

    def zero_shot(self, graph, of):
        model = self.fresh(f"ultra-{of.name}")
        self.tessera("import-model", graph, "--ultra", self.data / "ULTRA" / f"ultra_{of.weights}.safetensors", "-o", model)
        threads = 2 if of.minutes else 1
        found = [json.loads(self.tessera("evaluate", model, "--split", split, "--resamples", 0, "--json", threads=threads))
                 for split in of.splits]
        queries = sum(one["all"]["queries"] for one in found)

        def mean(figure):
            return sum(one["all"]["queries"] * one["all"]["pessimistic"][figure] for one in found) / queries

        seconds = sum(one["seconds"] for one in found)
        self.report("propagation", f"{of.name}, {of.weights}: MRR off by", abs(mean("mrr") - of.mrr), "", of.off, at_most=True,
                    note=f"({mean('mrr'):.5f}, Hits@10 {mean('hits_at_10'):.4f}, {queries} queries)")
        self.report("propagation", "  per query and core", 1000 * seconds * threads / queries, "ms", of.milliseconds or None,
                    at_most=True)
        if of.minutes:
            self.report("propagation", "  two cores", seconds / 60, "min", of.minutes, at_most=True)

    def bench_propagation(self):
        """ULTRA from public weights: MRR without training, time of a query. --large: also WN18RR and FB15k-237, 20 minutes."""
        if not (self.data / "ULTRA").exists():
            self.skip(f"ULTRA's weights are not in {self.data}; docs/user/propagation.md says where they are")
        for of in self.ZERO + (self.LARGE if self.arguments.large else []):
            self.zero_shot(self.imported(of.folder, f"ultra-{of.name}.kg", "metis"), of)

    def trained_on(self, job, graph, seed, *keys):
        """Trains a job of jobs/ on an inductive graph. Returns the run and its seconds on two cores without other work."""
        run = self.fresh(f"{job}-{seed}")
        done = self.tessera_measured("train", JOBS / f"{job}.toml", f"data.graph={self.imported(f'inductive/{graph}', f'{graph}.kg', 'metis')}",
                                     f"run.folder={run}", f"run.seed={seed}", "run.threads=2", *keys)
        return run, done.cpu_seconds / 2

    def inductive_mrr(self, run, graph, splits):
        """On the other graph of the pair: the mean over the queries of the splits."""
        other = self.imported(f"inductive/{graph}_ind", f"ultra-{graph}.kg", "metis")
        found = [json.loads(self.tessera("evaluate", run, f"data.graph={other}", "--split", split, "--resamples", 0, "--json"))["all"]
                 for split in splits]
        return sum(one["queries"] * one["realistic"]["mrr"] for one in found) / sum(one["queries"] for one in found)

    def nbfnet_seeds(self, job, graph, goal, most_seconds):
        rows = []
        for seed in (1, 2, 3):
            run, seconds = self.trained_on(job, graph, seed)
            rows.append((self.inductive_mrr(run, graph, ["test"]), self.inductive_mrr(run, graph, ["valid", "test"]), seconds))
        mrr, both, seconds = (statistics.median(column) for column in zip(*rows))
        self.report("propagation_training", f"NBFNet, {graph}: test MRR, 3 seeds", mrr, "", goal,
                    note=f"({', '.join(f'{row[0]:.4f}' for row in rows)}; with valid {both:.4f})")
        self.report("propagation_training", "  seconds of two cores", seconds, "s", most_seconds, at_most=True)

    def epoch_of_fb15k(self):
        """From the processor time that 4 steps take more than 2."""
        times = []
        for steps in (2, 4):
            command = [self.program("tessera"), "train", str(JOBS / "nbfnet-fb237-v1.toml"), f"data.graph={self.fb15k()}",
                       f"run.folder={self.fresh('nbfnet-steps')}", "train.batch_size=64", "train.segment_steps=1", "run.threads=2"]
            fault = f"TESSERA_FAULT=train.step:0:{steps}:signal"
            times.append(self.measured(["env", fault, *command], status=75).cpu_seconds)
        self.report("propagation_training", "NBFNet, FB15k-237, d 32: an epoch of two cores", (times[1] - times[0]) / 2 * 544230 / 64 / 2 / 60, "min",
                    note="(both directions; from 2 steps; published: 22.8 on four V100, half as many queries, PNA)")

    def bench_propagation_training(self):
        """NBFNet and ULTRA trained on one graph, asked about another (seconds: processor time / 2). 15 minutes of two cores."""
        self.nbfnet_seeds("nbfnet-wn18rr-v1", "WN18RR_v1", 0.72, 60)
        self.nbfnet_seeds("nbfnet-fb237-v1", "fb237_v1", 0.42, 60)
        weights = self.data / "ULTRA" / "ultra_3g.safetensors"
        if weights.exists():
            run, seconds = self.trained_on("ultra-wn18rr-v1", "WN18RR_v1", 1, f"propagation.weights={weights}")
            self.report("propagation_training", "ULTRA 3g tuned on WN18RR_v1: valid and test MRR", self.inductive_mrr(run, "WN18RR_v1", ["valid", "test"]),
                        "", 0.5929, note="(without training .5929)")
            self.report("propagation_training", "  seconds of two cores", seconds, "s")
        self.epoch_of_fb15k()
