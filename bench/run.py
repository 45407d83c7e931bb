#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Measures Tessera: `bench/run.py NAME...` or `bench/run.py all`.

Each benchmark prints what was measured, the figure that it must reach, and the machine's own peak measured in the same
run. FB15k-237 is read from --data (default ../shared/data); a benchmark whose data is not there is skipped and says so.
Needs only Python 3. Results also go to BUILD/bench.json. Exit status 1 when a figure is missed."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class Skip(Exception):
    pass


class Bench:
    def __init__(self, arguments):
        self.build = Path(arguments.build_dir).resolve()
        self.data = Path(arguments.data).resolve()
        self.work = self.build / "bench"
        self.work.mkdir(parents=True, exist_ok=True)
        self.environment = dict(os.environ, OMPI_MCA_btl_vader_single_copy_mechanism="none",
                                OMPI_MCA_rmaps_base_oversubscribe="1", OMPI_MCA_mpi_yield_when_idle="1")
        if os.getuid() == 0:
            self.environment.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
        self.rows = []
        self.peak = None

    # ---- helpers

    def program(self, name):
        path = self.build / "bin" / name
        if not path.exists():
            sys.exit(f"run.py: {path} is missing; build first: cmake --build {self.build}")
        return str(path)

    def call(self, command, ranks=0, threads=None, stdin=None):
        """Runs a command, returns its stdout; `ranks` > 0 runs it under mpirun."""
        environment = dict(self.environment)
        if threads:
            environment["OMP_NUM_THREADS"] = str(threads)
        if ranks:
            command = ["mpirun", "-n", str(ranks), "--bind-to", "none"] + command
        done = subprocess.run(command, env=environment, stdin=stdin, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"run.py: {' '.join(command)} failed with {done.returncode}:\n{done.stderr[-3000:]}")
        return done.stdout

    def tessera(self, *words, **options):
        return self.call([self.program("tessera"), *map(str, words)], **options)

    def fresh(self, name):
        path = self.work / name
        if path.is_dir():
            shutil.rmtree(path)
        elif path.exists():
            path.unlink()
        return path

    def report(self, name, what, value, unit, goal=None, at_most=False, note=""):
        good = goal is None or (value <= goal if at_most else value >= goal)
        relation = "" if goal is None else f"{'<=' if at_most else '>='} {goal:g}"
        self.rows.append({"benchmark": name, "what": what, "value": value, "unit": unit, "goal": goal, "good": good})
        print(f"  {what:<46} {value:>12,.4g} {unit:<10} {relation:<12} {'' if goal is None else 'ok' if good else 'MISSED'} {note}",
              flush=True)

    def machine(self):
        self.peak = json.loads(self.call([self.program("machine_peak")]))
        print(f"  machine: {self.peak['cores']} cores, fp32 FMA peak {self.peak['fma_gflops']} GFLOP/s "
              f"({self.peak['fma_gflops_one_core']} on one core), copy {self.peak['copy_gbytes_one_core']} GB/s on one core")

    def fb15k(self):
        """FB15k-237 as a graph in 8 parts; made once."""
        source = self.data / "FB15k-237"
        if not source.exists():
            raise Skip(f"FB15k-237 is not in {self.data}; --data names the folder")
        graph = self.work / "fb15k-237.kg"
        if not (graph / "parts-8").exists():
            self.fresh("fb15k-237.kg")
            self.tessera("import", "--train", source / "train.tsv.zst", "--valid", source / "valid.tsv.zst", "--test",
                         source / "test.tsv.zst", "--allow-unseen", "-o", graph)
            self.tessera("partition", graph, "--parts", 8)
        return graph

    def wordnet(self):
        folder = Path("/usr/share/wordnet")
        if not (folder / "data.noun").exists():
            raise Skip("WordNet's data files are not there (package wordnet-base)")
        graph = self.fresh("wordnet.kg")
        self.tessera("import", *[folder / f"data.{kind}" for kind in ("noun", "verb", "adj", "adv")], "--format", "wordnet",
                     "-o", graph)
        return graph

    def speed_job(self, graph, run, **overrides):
        """The job of the speed and bits benchmarks: ComplEx d = 128, 512 shared negatives."""
        keys = {"train.epochs": 4, "train.batch_size": 8192, "model.dim": 128, "negatives.count": 512, "validate.every": 0,
                "regulariser.name": "n3", "regulariser.weight": 0.05, "exchange.mode": "rows", **overrides}
        job = self.fresh("speed.toml")
        job.write_text(f'data.graph = "{graph}"\nrun.folder = "{run}"\n')
        return [job] + [f"{key}={value}" for key, value in keys.items()]

    # ---- benchmarks

    def bench_import(self):
        """Generated triples with string names, one core: speed at 10 M, memory at 10 M and 30 M of the same entities."""
        peaks = {}
        for millions, options in ((10, []), (10, ["--entities", "100000"]), (30, ["--entities", "100000"])):
            text = self.work / "generated.tsv"
            with open(text, "w") as out:
                subprocess.run([self.program("generate_graph"), "--triples", str(millions * 1_000_000), *options],
                               stdout=out, check=True)
            start = time.monotonic()
            process = subprocess.Popen([self.program("tessera"), "import", str(text), "-o", str(self.fresh("generated.kg"))],
                                       env=dict(self.environment, OMP_NUM_THREADS="1"), stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.monotonic() - start
            if status != 0:
                sys.exit("run.py: the import failed")
            size = f"({text.stat().st_size / 1e6:,.0f} MB of text in {seconds:.1f} s)"
            if not options:
                self.report("import", "triples per second, one core", millions * 1e6 / seconds, "triple/s", 1e6, note=size)
                self.report("import", "peak memory, 10 M triples", usage.ru_maxrss / 1024, "MiB")
            else:
                peaks[millions] = usage.ru_maxrss / 1024
                self.report("import", f"peak memory, {millions} M triples of 100 k entities", peaks[millions], "MiB", note=size)
            text.unlink()
        self.report("import", "memory at 30 M triples over that at 10 M", peaks[30] / peaks[10], "", 1.05, at_most=True)

    def bench_partition(self):
        """WordNet in 8 parts."""
        graph = self.wordnet()
        start = time.monotonic()
        self.tessera("partition", graph, "--parts", 8)
        seconds = time.monotonic() - start
        info = json.loads(self.tessera("info", "--json", graph / "parts-8"))
        words = info["quality"].replace("%", "").split()
        self.report("partition", "WordNet, 8 parts: cut training queries", float(words[0]), "%", 9, at_most=True)
        queries = float(info["quality"].split("queries within ")[1].split()[0])
        self.report("partition", "queries, largest over mean", queries, "", 1.10, at_most=True)
        self.report("partition", "random partition: cut", float(info["random partition"].split()[0]), "%")
        self.report("partition", "wall time", seconds, "s")

    def bench_train(self):
        """Training speed on FB15k-237, two ranks on two cores."""
        self.machine()
        graph = self.fb15k()
        for ranks, threads in ((2, 1), (1, 2)):
            run = self.fresh("speed-run")
            self.tessera("train", *self.speed_job(graph, run), ranks=ranks, threads=threads)
            rates = sorted(json.loads(line)["triples_per_second"] for line in (run / "metrics.jsonl").open())
            rate = rates[len(rates) // 2]
            share = rate * 12 * 128 * 512 / (self.peak["fma_gflops"] * 1e9)
            self.report("train", f"{ranks} rank(s) x {threads} thread(s), median epoch", rate, "triple/s", 80e3 if ranks == 2 else None)
            self.report("train", "  share of the fp32 peak (products only)", 100 * share, "%")

    def bench_bits(self):
        """The same bits on 1, 2, 3, 4, 8 ranks and 1, 2 threads."""
        graph = self.fb15k()
        digests = set()
        for ranks, threads in ((1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (4, 1), (8, 1)):
            run = self.fresh("bits-run")
            job = self.speed_job(graph, run, **{"train.epochs": 2, "train.batch_size": 4096})
            trained = json.loads(self.tessera("train", "--json", *job, ranks=ranks, threads=threads))
            ranked = json.loads(self.tessera("evaluate", "--json", run, ranks=ranks, threads=threads))
            digests.add((trained["parameter_digest"], ranked["rank_digest"]))
            print(f"  {ranks} ranks x {threads} threads: parameters {trained['parameter_digest']}, ranks {ranked['rank_digest']}",
                  flush=True)
        self.report("bits", "different results on 1, 2, 3, 4, 8 ranks", len(digests), "", 1, at_most=True)

    def bench_evaluate(self):
        """Exact filtered ranking of the FB15k-237 test split, d = 128, two cores."""
        self.machine()
        graph = self.fb15k()
        run = self.fresh("evaluate-run")
        self.tessera("train", *self.speed_job(graph, run, **{"train.epochs": 1}), threads=2)
        for ranks, threads in ((2, 1), (1, 2)):
            seconds = min(json.loads(self.tessera("evaluate", "--json", run, ranks=ranks, threads=threads))["seconds"]
                          for _ in range(3))
            self.report("evaluate", f"{ranks} rank(s) x {threads} thread(s), best of 3", seconds, "s", 4, at_most=True)
            flops = 2 * 20466 * 2 * 14541 * 128
            self.report("evaluate", "  share of the fp32 peak", 100 * flops / seconds / (self.peak["fma_gflops"] * 1e9), "%")

    def bench_quality(self):
        """jobs/fb15k-237-complex.toml: filtered test MRR within 40 minutes on two cores."""
        graph = self.fb15k()
        run = self.fresh("quality-run")
        job = [ROOT / "jobs" / "fb15k-237-complex.toml", f"data.graph={graph}", f"run.folder={run}"]
        start = time.monotonic()
        self.tessera("train", *job, ranks=2, threads=1)
        minutes = (time.monotonic() - start) / 60
        result = json.loads(self.tessera("evaluate", "--json", run, ranks=2, threads=1))
        self.report("quality", "FB15k-237 ComplEx d = 128, sampled: test MRR", result["mrr"], "", 0.32)
        self.report("quality", "time to train", minutes, "min", 40, at_most=True)

    def bench_quickstart(self):
        """jobs/quickstart.sh with packages and build in place: the second call."""
        start = time.monotonic()
        self.call([str(ROOT / "jobs" / "quickstart.sh"), "--no-install", "--build-dir", str(self.build)])
        self.report("quickstart", "second call", (time.monotonic() - start) / 60, "min", 4, at_most=True)


def main():
    names = [name[len("bench_"):] for name in vars(Bench) if name.startswith("bench_")]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=names + ["all"], metavar="NAME", help=", ".join(names + ["all"]))
    parser.add_argument("--build-dir", default=ROOT / "build" / "release")
    parser.add_argument("--data", default=ROOT.parent / "shared" / "data")
    arguments = parser.parse_args()
    bench = Bench(arguments)
    for name in names if "all" in arguments.names else arguments.names:
        work = getattr(bench, f"bench_{name}")
        print(f"{name}: {work.__doc__}", flush=True)
        try:
            work()
        except Skip as reason:
            print(f"  skipped: {reason}")
    (bench.build / "bench.json").write_text(json.dumps(bench.rows, indent=1))
    return 0 if all(row["good"] for row in bench.rows) else 1


if __name__ == "__main__":
    sys.exit(main())
