#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Measures Tessera: `bench/run.py NAME...` or `bench/run.py all`.

Each benchmark prints what was measured, the figure that it must reach, and the machine's own peak measured in the same
run. Data sets are read from --data (default: TESSERA_DATA, else ../shared/data); a benchmark whose data is not there is skipped and
says so. Needs only Python 3, from 3.11 on for what reads job files. Graphs, runs and results go to --work (default BUILD/bench; in a
bundle ./tessera-bench): bench.json, and gpu.jsonl with every figure of `gpu`. Exit status 1 when a figure is missed.

  bench/run.py gpu                                    everything on one GPU
  bench/run.py gpu --only step fb15k --limit 500      some rows of it, each for so many seconds at most
  bench/run.py gpu --only relations --resume          goes on where the limit stopped it
  bench/run.py gpu --smoke --build-dir build/release  what needs no card, on the host, tiny: does it work?"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.dont_write_bytecode = True  # a bundle may be read-only, and its files are counted
from ask_rows import AskBenchmarks  # noqa: E402
from gpu_table import GpuTable, Skip, read_job  # noqa: E402
from memory_rows import MemoryBenchmarks  # noqa: E402
from ultra_rows import UltraBenchmarks  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
BUNDLED = (ROOT / "bin" / "tessera").exists()  # unpacked from tools/bundle.sh


class Setting(NamedTuple):
    """One row of a benchmark that trains."""
    what: str
    ranks: int
    threads: int
    keys: dict  # what the job has in place of speed_job()'s


class Done(NamedTuple):
    """A command that ended well."""
    out: str
    cpu_seconds: float  # of all its processes
    peak_bytes: int  # of the largest
    log: str = ""  # standard error


class Trained(NamedTuple):
    epochs: list  # lines of metrics.jsonl
    digest: str
    done: Done


class Bench(MemoryBenchmarks, AskBenchmarks, UltraBenchmarks):
    def __init__(self, arguments):
        self.arguments = arguments
        self.build = Path(arguments.build_dir or ROOT / "build" / "release").resolve()
        self.data = Path(arguments.data).resolve()
        self.work = Path(arguments.work or (Path.cwd() / "tessera-bench" if BUNDLED else self.build / "bench")).resolve()
        self.work.mkdir(parents=True, exist_ok=True)
        self.environment = dict(os.environ, OMPI_MCA_btl_vader_single_copy_mechanism="none",
                                OMPI_MCA_rmaps_base_oversubscribe="1", OMPI_MCA_mpi_yield_when_idle="1")
        if os.getuid() == 0:
            self.environment.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
        self.jobs = arguments.jobs
        self.rows = []
        self.peak = None

    # ---- helpers

    def program(self, name):
        path = self.build / "bin" / name
        if not path.exists():
            sys.exit(f"run.py: {path} is missing; build first: cmake --build {self.build}")
        return str(path)

    def measured(self, command, ranks=0, threads=None, status=0):
        """Runs a command; `ranks` > 0 runs it under mpirun."""
        environment = dict(self.environment)
        if threads:
            environment["OMP_NUM_THREADS"] = str(threads)
        if ranks:
            command = ["mpirun", "-n", str(ranks), "--bind-to", "none"] + command
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            process = subprocess.Popen(command, env=environment, stdout=out, stderr=err)
            _, how, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(how)
            out.seek(0)
            err.seek(0)
            if process.returncode != status:
                sys.exit(f"run.py: {' '.join(command)} failed with {process.returncode}:\n{err.read()[-3000:]}")
            return Done(out.read(), usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, err.read())

    def call(self, command, **options):
        return self.measured(command, **options).out

    def tessera_measured(self, *words, **options):
        return self.measured([self.program("tessera"), *map(str, words)], **options)

    def tessera(self, *words, **options):
        return self.tessera_measured(*words, **options).out

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

    @staticmethod
    def skip(reason):
        raise Skip(reason)

    def machine(self):
        """The best of three: what else runs on a shared machine only ever lowers a peak."""
        peaks = [json.loads(self.call([self.program("machine_peak")])) for _ in range(3)]
        self.peak = {key: max(peak[key] for peak in peaks) for key in peaks[0]}
        print(f"  machine: {self.peak['cores']} cores, fp32 FMA peak {self.peak['fma_gflops']} GFLOP/s "
              f"({self.peak['fma_gflops_one_core']} on one core; bf16 dot products {self.peak['bf16_gflops_one_core']}), copy {self.peak['copy_gbytes_one_core']} GB/s on one core")

    def bench_gpu(self):
        """What one GPU does (--only: rows of it): the card itself, steps, recipes, ranking, memory."""
        arguments = self.arguments
        build = Path(arguments.build_dir or (ROOT if BUNDLED else ROOT / "build" / "cuda")).resolve()
        table = GpuTable(build / "bin", ROOT / "jobs", self.data, self.work, self.environment, smoke=arguments.smoke,
                         limit=arguments.limit, resume=arguments.resume, overrides=arguments.set,
                         measures_card=not arguments.without_card)
        good = table.run(arguments.only or GpuTable.names())
        if good is None and "all" in arguments.names:
            raise Skip("no row could run")
        self.rows.append({"benchmark": "gpu", "what": "all rows", "good": bool(good)})

    def imported(self, data, name, method, *random_split):
        """One of the data sets as a graph in 8 parts, with its own splits or a random one; made once."""
        source = self.data / data
        if not source.exists():
            raise Skip(f"{data} is not in {self.data}; --data names the folder")
        graph = self.work / name
        if not (graph / "parts-8").exists():
            self.fresh(name)
            train, valid, test = (source / f"{split}.tsv.zst" for split in ("train", "valid", "test"))
            files = [train, valid, test, *random_split] if random_split else \
                ["--train", train, "--valid", valid, "--test", test, "--allow-unseen"]
            self.tessera("import", *files, "-o", graph)
            self.tessera("partition", graph, "--parts", 8, "--method", method)
        return graph

    def fb15k(self):
        return self.imported("FB15k-237", "fb15k-237.kg", "metis")

    def fb15k_tenth(self):
        """Every entity, but a tenth of the triples to train on: short epochs, with steps as long as before."""
        return self.imported("FB15k-237", "fb15k-237-tenth.kg", "metis", "--valid-fraction", 0.5, "--test-fraction", 0.4)

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

    def trained(self, graph, setting):
        run = self.fresh("speed-run")
        done = self.tessera_measured("train", "--json", *self.speed_job(graph, run, **setting.keys), ranks=setting.ranks,
                                     threads=setting.threads)
        epochs = [json.loads(line) for line in (run / "metrics.jsonl").open()]
        return Trained(epochs, json.loads(done.out)["parameter_digest"], done)

    @staticmethod
    def sampled_settings(mode):
        return [Setting(f"{ranks} rank(s) x {threads} thread(s)", ranks, threads, {"exchange.mode": mode})
                for ranks, threads in ((2, 1), (1, 2))]

    EXACT = {"negatives.scope": "all", "exchange.mode": "queries", "train.batch_size": 1000}

    @classmethod
    def exact_settings(cls, dim):
        return [Setting(f"d = {dim}, {ranks} rank(s) x {threads} thread(s){', grouped' if grouped == 'true' else ''}", ranks, threads,
                        {**cls.EXACT, "model.dim": dim, "train.epochs": 1, "train.group_queries": grouped})
                for ranks, threads, grouped in ((2, 1, "false"), (1, 2, "false"), (2, 1, "true"))]

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
            done = self.tessera_measured("import", text, "-o", self.fresh("generated.kg"), threads=1)
            seconds = time.monotonic() - start
            size = f"({text.stat().st_size / 1e6:,.0f} MB of text in {seconds:.1f} s)"
            if not options:
                self.report("import", "triples per second, one core", millions * 1e6 / seconds, "triple/s", 1e6, note=size)
                self.report("import", "peak memory, 10 M triples", done.peak_bytes / 2**20, "MiB")
            else:
                peaks[millions] = done.peak_bytes / 2**20
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
        self.partition_large()

    def partition_large(self):
        """With --large: 50 M triples and 10 M entities in 16 parts by the streaming method, on two threads."""
        if not self.arguments.large:
            return
        graph = self.work / "generated-50m.kg"
        shutil.rmtree(self.generated(graph, 50, 10, 16))
        start = time.monotonic()
        done = self.tessera_measured("partition", graph, "--parts", 16, "--method", "stream", threads=2)
        self.report("partition", "stream, 50 M triples, 10 M entities, 16 parts", time.monotonic() - start, "s", 180, at_most=True)
        self.report("partition", "the same: peak memory", done.peak_bytes / 2**20, "MiB")

    def bench_train(self):
        """Training speed on FB15k-237, two ranks on two cores."""
        self.machine()
        graph = self.fb15k()
        for setting in self.sampled_settings("rows"):
            rates = sorted(epoch["triples_per_second"] for epoch in self.trained(graph, setting).epochs)
            rate = rates[len(rates) // 2]
            share = rate * 12 * 128 * 512 / (self.peak["fma_gflops"] * 1e9)
            self.report("train", f"{setting.what}, median epoch", rate, "triple/s", 80e3 if setting.ranks == 2 else None)
            self.report("train", "  share of the fp32 peak (products only)", 100 * share, "%")

    def bench_exact(self):
        """Speed of exact softmax steps on FB15k-237: d = 128 and 256, single and grouped queries, two cores."""
        graph = self.fb15k()
        for dim in (128, 256):
            self.machine()
            for setting in self.exact_settings(dim):
                rate = self.trained(graph, setting).epochs[0]["triples_per_second"]
                self.report("exact", setting.what, rate, "triple/s")
                if setting.keys["train.group_queries"] == "false":
                    share = rate * 12 * dim * 14541 / (self.peak["fma_gflops"] * 1e9)
                    self.report("exact", "  share of the fp32 peak (products only)", 100 * share, "%", 60)

    def bench_bits(self):
        """The same bits on 1, 2, 3, 4, 8 ranks and 1, 2 threads: moving rows and queries, sampled and exact."""
        graph = self.fb15k()
        settings = {"rows": {"train.batch_size": 4096},
                    "queries": {**self.EXACT, "negatives.scope": "global", "model.dim": 64},
                    "queries, exact": {**self.EXACT, "train.group_queries": "true", "model.dim": 64,
                                       "relation_prediction.weight": 0.5}}
        for name, keys in settings.items():
            digests = set()
            for ranks, threads in ((1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (4, 1), (8, 1)):
                run = self.fresh("bits-run")
                job = self.speed_job(graph, run, **{**keys, "train.epochs": 1})
                trained = json.loads(self.tessera("train", "--json", *job, ranks=ranks, threads=threads))
                ranked = json.loads(self.tessera("evaluate", "--json", run, ranks=ranks, threads=threads))
                digests.add((trained["parameter_digest"], ranked["rank_digest"]))
                print(f"  {name}, {ranks} ranks x {threads} threads: parameters {trained['parameter_digest']}, "
                      f"ranks {ranked['rank_digest']}", flush=True)
            self.report("bits", f"{name}: different results", len(digests), "", 1, at_most=True)

    def bench_metis(self):
        """METIS against random parts, negatives of the own part against global ones: MRR and bytes on the wire."""
        for data, epochs, weight in (("FB15k-237", 30, 0.05), ("WN18RR", 30, 0.1)):
            for method in ("metis", "random"):
                graph = self.imported(data, f"{data}-{method}.kg", method)
                for scope in ("part", "global"):
                    run = self.fresh("metis-run")
                    job = self.speed_job(graph, run, **{"train.epochs": epochs, "train.batch_size": 2000,
                                                        "negatives.count": 1024, "negatives.scope": scope,
                                                        "regulariser.weight": weight})
                    self.tessera("train", *job, ranks=8, threads=1)
                    epoch = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
                    mrr = json.loads(self.tessera("evaluate", "--json", run, ranks=2, threads=1))["mrr"]
                    what = f"{data}, {method} parts, negatives: {scope}"
                    self.report("metis", what + ": test MRR", mrr, "")
                    self.report("metis", "  sent in an epoch by 8 ranks", epoch["bytes_sent"] / 2**20, "MiB")

    def bench_recipes(self):
        """Job files in jobs/ (--jobs chooses) on their data: test MRR, mean of three seeds where a run is short, and time."""
        for file in sorted((ROOT / "jobs").glob("*.toml")):
            if self.jobs and file.stem not in self.jobs:
                continue
            job = read_job(file)
            data = {"fb15k-237": "FB15k-237", "wn18rr": "WN18RR", "umls": "UMLS", "kinship": "Kinship"}.get(
                Path(job["data"]["graph"]).stem)
            if data is None:  # WordNet: jobs/quickstart.sh
                continue
            graph = self.imported(data, f"{data}-metis.kg", "metis")
            seeds = 3 if data in ("UMLS", "Kinship") else 1
            figures, start = [], time.monotonic()
            for seed in range(1, seeds + 1):
                run = self.fresh("recipe-run")
                self.tessera("train", file, f"data.graph={graph}", f"run.folder={run}", f"run.seed={seed}", ranks=2, threads=1)
                figures.append(json.loads(self.tessera("evaluate", "--json", run, ranks=2, threads=1))["mrr"])
            minutes = (time.monotonic() - start) / 60 / seeds
            goal = job["expect"]["mrr"] - job["expect"]["tolerance"]
            spread = ", ".join(f"{figure:.4f}" for figure in figures)
            self.report("recipes", file.stem, sum(figures) / len(figures), "", goal, note=f"({spread}; {minutes:.1f} min each)")

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

    def bench_packed(self):
        """Packed queries: bytes of each, speed of one core, known answers."""
        generated = self.work / "generated-50m.kg"
        graphs = [("FB15k-237", self.fb15k() / "parts-8", 1.35), ("WN18RR", self.imported("WN18RR", "WN18RR-metis.kg", "metis") / "parts-8", 1.90)]
        if (generated / "parts-16").exists() or self.arguments.large:
            graphs.append(("50 M triples", self.generated(generated, 50, 10, 16), 4.0))
        for what, parts, most in graphs:
            result = json.loads(self.call([self.program("packed_bench"), str(parts)], threads=1))
            self.report("packed", f"{what}: bytes per query, all in", result["bytes_per_query"], "B", most, at_most=True)
            for figure, goal in (("streaming", 800), ("random_chunks", 500), ("shuffled", 150)):
                self.report("packed", f"  {figure.replace('_', ' ')}", result[figure] / 1e6, "M queries/s", goal)
            self.report("packed", "  known answers of a (source, relation)", result["known_seconds"] * 1e6, "us", 1, at_most=True)
        names = json.loads(self.call([self.program("names_bench"), "--folder", str(self.work)], threads=1))
        self.report("packed", "names, 1 M generated: share of raw bytes", 100 * names["share_of_raw"], "%", 60, at_most=True)
        self.report("packed", "  id -> name", names["id_to_name_m_per_s"], "M/s", 1)
        self.report("packed", "  name -> id", names["name_to_id_m_per_s"], "M/s", 1)
        for line in self.call([self.program("attributes_bench")], threads=1).splitlines():
            print(f"  attributes: {line}")

    def generated(self, graph, million_triples, million_entities, parts, *splits):
        """A generated graph in parts; made once."""
        if not (graph / f"parts-{parts}").exists():
            self.fresh(graph.name)
            triples = self.fresh("generated.tsv")
            with triples.open("w") as file:
                subprocess.run([self.program("generate_graph"), "--triples", str(million_triples * 10**6),
                                "--entities", str(million_entities * 10**6)], stdout=file, check=True)
            self.tessera("import", triples, "-o", graph, *splits)
            triples.unlink()
            self.tessera("partition", graph, "--parts", parts, "--method", "stream")
        return graph / f"parts-{parts}"

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
    names = sorted(name[len("bench_"):] for name in dir(Bench) if name.startswith("bench_"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=names + ["all"], metavar="NAME", help=", ".join(names + ["all"]))
    parser.add_argument("--build-dir", help="default: build/release; of gpu build/cuda, or the bundle that this file is in")
    parser.add_argument("--data", default=os.environ.get("TESSERA_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("--work", help="folder for graphs, runs and results")
    parser.add_argument("--jobs", nargs="+", metavar="JOB", help="of jobs/, for recipes: umls-complex ...; default: all")
    parser.add_argument("--large", action="store_true", help="packed, partition: also a generated graph of 50 M triples: much time and disk; propagation: also large graphs")
    parser.add_argument("--big", action="store_true", help="memory: also 86 M entities; an hour or two, 24 GB of memory and 70 GB of disk")
    rows = parser.add_argument_group("gpu")
    rows.add_argument("--only", nargs="+", choices=GpuTable.names(), metavar="ROW", help=", ".join(GpuTable.names()))
    rows.add_argument("--limit", type=float, metavar="SECONDS", help="of each row, in place of its own")
    rows.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="for the jobs: run.products=tf32 ...")
    rows.add_argument("--resume", action="store_true", help="continue runs that are there")
    rows.add_argument("--without-card", action="store_true", help="rows other than card do not measure the card's own rates first")
    rows.add_argument("--smoke", action="store_true", help="on the host with tiny settings: nothing is measured")
    arguments = parser.parse_args()
    if arguments.limit is not None and arguments.limit <= 0:
        parser.error("--limit is a number of seconds above 0")
    bench = Bench(arguments)
    for name in names if "all" in arguments.names else arguments.names:
        work = getattr(bench, f"bench_{name}")
        print(f"{name}: {work.__doc__}", flush=True)
        try:
            work()
        except Skip as reason:
            print(f"  skipped: {reason}")
    (bench.work / "bench.json").write_text(json.dumps(bench.rows, indent=1))
    return 0 if all(row["good"] for row in bench.rows) else 1


if __name__ == "__main__":
    sys.exit(main())
