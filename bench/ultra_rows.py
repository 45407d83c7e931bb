# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Benchmark of ULTRA: the published figures without training, and the time of a query. Part of bench/run.py."""

import json
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


class UltraBenchmarks:
    """Benchmark `propagation`; the class that inherits has the helpers of Bench."""

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
