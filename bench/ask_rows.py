# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Benchmark of asking: answers, pairs, similar entities. Part of bench/run.py."""

import json
import re
import statistics
import subprocess


class AskBenchmarks:
    """Benchmark `ask`; the class that inherits has the helpers of Bench."""

    DIM = 128
    HEADS = 1000

    def bench_ask(self):
        """Answers among 1 M entities, and the best pairs of 1,000 heads with all of them; ComplEx d = 128, as drawn."""
        self.machine()
        graph = self.generated(self.work / "generated-5m.kg", 5, 1, 16, "--valid-fraction", 0.0002, "--test-fraction", 0.0002).parent
        run = self.fresh("ask-run")
        keys = {"train.epochs": 0, "model.init_scale": 0.1, "data.parts": 16}
        self.tessera("train", *self.speed_job(graph, run, **keys), threads=2)
        triples = self.some_triples()
        names = list(dict.fromkeys(head for head, _, _ in triples))[:self.HEADS]
        self.one_query(run, names, triples[0][1])
        self.best_pairs(run, names, triples[0][1])

    def some_triples(self):
        """The first triples of the generated graph."""
        command = [self.program("generate_graph"), "--triples", str(5 * 10**6), "--entities", str(10**6)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as text:
            lines = [next(text.stdout).split("\t") for _ in range(20 * self.HEADS)]
            text.kill()
        return lines

    def seconds(self, log, pattern):
        return float(re.search(pattern + r" in ([0-9.]+) s", log).group(1))

    def one_query(self, run, names, relation):
        times = []
        for name in names[:7]:
            done = self.tessera_measured("predict", run, "--query", name, relation, threads=2)
            times.append(1000 * self.seconds(done.log, "searched the answers of 1 query"))
        entities = self.entities(run)
        gbytes = entities * self.DIM * 4 / 1e9
        self.report("ask", "top 10 of one query", statistics.median(times), "ms", 30, at_most=True,
                    note=f"({entities:,} entities, d = {self.DIM}; {gbytes / statistics.median(times) * 1000:.1f} GB/s of rows; "
                         f"{', '.join(f'{t:.0f}' for t in times)})")

    def best_pairs(self, run, names, relation):
        heads = self.fresh("heads.txt")
        heads.write_text("".join(f"{name}\n" for name in names))
        times = []
        for _ in range(3):
            done = self.tessera_measured("predict", run, "--relation", relation, "--heads-among", heads, "-k", 100, "--omit-known",
                                         "--format", "csv", threads=2)
            times.append(self.seconds(done.log, f"compared {self.HEADS:,} heads with all tails"))
        flops = 2 * self.HEADS * self.entities(run) * self.DIM
        share = 100 * flops / min(times) / 1e9 / self.peak["fma_gflops"]
        self.report("ask", "best 100 of 1,000 heads and all tails", share, "% of peak", 50, note=f"({min(times):.2f} s)")

    def entities(self, run):
        return json.loads(self.tessera("plan", "--json", run / "job.toml"))["entities"]
