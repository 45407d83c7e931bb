#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Is the new build as fast as the old one? `bench/pair.py OLD_BUILD NEW_BUILD [exact|sampled|evaluate ...]`.

Both builds run the same job alternately, old first, so that what else the machine does meets both. A row shows the median seconds
of both; of the ratios new/old of all pairs (below 1: new is faster) the median, the quartiles, the least and the most; the median
ratio of processor time, whole commands with their start; the peak of the pool and of the largest process in any run; and whether
both gave the same bits. Data as for bench/run.py, whose jobs these are. Graphs, runs and pair.json, which has every single run, go
to --work (default NEW_BUILD/bench/pair). Ends with status 0 whatever the ratios are.

exact     all entities as candidates; single queries of a tenth of the triples, grouped ones of all; seconds of an epoch
sampled   512 negatives, moving rows and moving queries; median seconds of an epoch
evaluate  124,046 triples ranked among all entities; seconds of the ranking
All on FB15k-237; twelve rows, about a quarter of an hour of two idle cores."""

import argparse
import json
import os
import statistics
import sys
from pathlib import Path
from typing import NamedTuple

sys.dont_write_bytecode = True
from run import ROOT, Bench, Skip  # noqa: E402

QUICK = {"model.dim": 16, "train.batch_size": 500, "train.epochs": 1}
MIB = 2**20


class Sample(NamedTuple):
    seconds: float
    pool_bytes: int  # of the fullest rank, each use of memory at its peak; 0: the program does not say
    process_bytes: int
    cpu_seconds: float  # of the whole command
    digest: str  # of what must have the same bits


def train(bench, graph, setting):
    trained = bench.trained(graph, setting)
    return Sample(statistics.median(epoch["seconds"] for epoch in trained.epochs),
                  sum(trained.epochs[-1]["peak_bytes"].values()), trained.done.peak_bytes, trained.done.cpu_seconds,
                  trained.digest)


def rank(bench, run, setting):
    done = bench.tessera_measured("evaluate", "--json", run, ranks=setting.ranks, threads=setting.threads)
    result = json.loads(done.out)
    return Sample(result["seconds"], 0, done.peak_bytes, done.cpu_seconds, result["rank_digest"])


def spread(values):
    """Least, lower quartile, median, upper quartile, most."""
    quarters = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return [min(values), *quarters, max(values)]


def ratios(samples, field):
    """New over old, pair by pair."""
    return [getattr(new, field) / getattr(old, field) for old, new in zip(samples["old"], samples["new"])]


class Pair:
    def __init__(self, arguments):
        work = Path(arguments.work or Path(arguments.new) / "bench" / "pair").resolve()
        options = {"data": arguments.data, "jobs": None}
        self.old, self.new = (Bench(argparse.Namespace(build_dir=build, work=work / name, **options))
                              for name, build in (("old", arguments.old), ("new", arguments.new)))
        self.work = work
        self.pairs = arguments.pairs
        self.quick = QUICK if arguments.quick else {}
        self.rows = []

    def row(self, name, setting, measure, of):
        """`measure(bench, of, setting)` with both builds in turns."""
        setting = setting._replace(keys={**setting.keys, **self.quick})
        samples = {"old": [], "new": []}
        for _ in range(self.pairs):
            samples["old"].append(measure(self.old, of, setting))
            samples["new"].append(measure(self.new, of, setting))
        self.rows.append({"benchmark": name, "what": setting.what, "ratios": ratios(samples, "seconds"),
                          **{build: [sample._asdict() for sample in taken] for build, taken in samples.items()}})
        self.show(setting.what, samples)

    @staticmethod
    def header(name):
        print(f"{name:<44} {'old s':>8} {'new s':>8}  {'new/old':>7} {'quartiles':>13} {'range':>13} {'cpu':>6}  "
              f"{'pool MiB':>15} {'process MiB':>15}  bits", flush=True)

    @staticmethod
    def show(what, samples):
        def peaks(field):
            old, new = (max(getattr(sample, field) for sample in samples[build]) / MIB for build in ("old", "new"))
            return f"{old:,.1f} {new:,.1f}" if old or new else "-"

        old, new = (statistics.median(sample.seconds for sample in samples[build]) for build in ("old", "new"))
        least, low, middle, high, most = spread(ratios(samples, "seconds"))
        cpu = statistics.median(ratios(samples, "cpu_seconds"))
        digests = {sample.digest for taken in samples.values() for sample in taken}
        print(f"  {what:<42} {old:>8.3f} {new:>8.3f}  {middle:>7.3f} {low:>6.3f}-{high:.3f} {least:>7.3f}-{most:.3f} {cpu:>6.3f}  "
              f"{peaks('pool_bytes'):>15} {peaks('process_bytes'):>15}  {'same' if len(digests) == 1 else 'DIFFER'}", flush=True)

    # ---- benchmarks

    def exact(self):
        whole, tenth = self.old.fb15k(), self.old.fb15k_tenth()
        for dim in (128, 256):
            for setting in Bench.exact_settings(dim):
                graph = whole if setting.keys["train.group_queries"] == "true" else tenth
                self.row("exact", setting, train, graph)

    def sampled(self):
        graph = self.old.fb15k()
        for mode in ("rows", "queries"):
            for setting in Bench.sampled_settings(mode):
                keys = {**setting.keys, "train.epochs": 2}
                self.row("sampled", setting._replace(what=f"moving {mode}, {setting.what}", keys=keys), train, graph)

    def evaluate(self):
        run = self.old.fresh("evaluate-run")
        keys = {"train.epochs": 1, **self.quick}
        self.old.tessera("train", *self.old.speed_job(self.old.fb15k_tenth(), run, **keys), threads=2)
        for setting in Bench.sampled_settings("rows"):
            self.row("evaluate", setting, rank, run)


def main():
    names = ["exact", "sampled", "evaluate"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", metavar="OLD_BUILD")
    parser.add_argument("new", metavar="NEW_BUILD")
    parser.add_argument("names", nargs="*", metavar="BENCH", help=f"{', '.join(names)}; default: all")
    parser.add_argument("--pairs", type=int, metavar="N", help="runs of each build, at least 1; default: 5, with --quick 2")
    parser.add_argument("--data", default=os.environ.get("TESSERA_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("--work", help="folder for graphs, runs and results")
    parser.add_argument("--quick", action="store_true", help="tiny settings: does it work? Nothing is measured")
    arguments = parser.parse_intermixed_args()
    if unknown := [name for name in arguments.names if name not in names]:
        parser.error(f"there is no benchmark '{unknown[0]}'; choose from {', '.join(names)}")
    if arguments.pairs is None:
        arguments.pairs = 2 if arguments.quick else 5
    if arguments.pairs < 1:
        parser.error("--pairs is a number of at least 1")
    pair = Pair(arguments)
    for name in arguments.names or names:
        Pair.header(name)
        try:
            getattr(pair, name)()
        except Skip as reason:
            print(f"  skipped: {reason}")
    (pair.work / "pair.json").write_text(json.dumps(pair.rows, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
