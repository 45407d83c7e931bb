# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""What Tessera does on one GPU: the rows of the table behind `bench/run.py gpu`.

Each row has a time limit, prints what was measured beside the figure that it must reach and the one that it aims at, and
is a JSON line in WORK/gpu.jsonl. A row that cannot run says why, and the others go on. With --smoke everything runs on the host
with tiny settings, which shows that the rows work and measures nothing."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

try:
    import tomllib
except ModuleNotFoundError:
    tomllib = None  # before Python 3.11


class Skip(Exception):
    """What cannot run here."""


class Failed(Exception):
    """A row that ran, and did not come to its end."""


LIMITS = {"card": 120, "step": 300, "sampled": 600, "fb15k": 600, "evaluate": 300, "memory": 600, "relations": 3600,
          "wn18rr": 3600}
TINY = {"run.device": "cpu", "model.dim": 16, "train.epochs": 2, "validate.every": 1, "run.memory": "1GiB"}


def read_job(path):
    """The tables of a job file."""
    if tomllib is None:
        raise Skip(f"job files are read with Python 3.11 or newer (tomllib); this is Python {sys.version.split()[0]}")
    return tomllib.loads(path.read_text(encoding="utf-8"))


BENCH_ROWS = ("card", "step", "sampled")  # of gpu_bench, in the order in which it prints them
STEP_LINES = 6


class GpuTable:
    """`tools`: the folder with tessera and gpu_bench; `work`: where graphs, runs and results go."""

    def __init__(self, tools, jobs, data, work, environment, smoke=False, limit=None, resume=False, overrides=(),
                 measures_card=True):
        self.tools, self.jobs, self.data, self.work = tools, jobs, data, work
        self.environment = environment
        self.smoke, self.limit, self.resume, self.overrides = smoke, limit, resume, list(overrides)
        self.measures_card = measures_card
        self.card = {}
        self.bench = None
        self.results = []
        self.row = None
        self.bench_words = []
        self.allowed = self.deadline = None
        work.mkdir(parents=True, exist_ok=True)
        for kind in (signal.SIGTERM, signal.SIGHUP):  # whatever runs is stopped, too
            signal.signal(kind, lambda number, frame: sys.exit(128 + number))

    @staticmethod
    def names():
        return [name[len("row_"):] for name in vars(GpuTable) if name.startswith("row_")]

    def run(self, names):
        """Runs those rows; true when none failed or missed its figure; None when none ran at all."""
        wanted = [BENCH_ROWS.index(name) for name in names if name in BENCH_ROWS]
        self.bench_goal = max(wanted, default=0)
        self.bench_words = ["sampled"] if wanted and min(wanted) == BENCH_ROWS.index("sampled") else []
        for name in names:
            self.row = name
            self.allow(self.limit or LIMITS[name])
            print(f"{name}: {getattr(self, 'row_' + name).__doc__.splitlines()[0]}", flush=True)
            try:
                if name != "card":
                    self.know_card()
                getattr(self, "row_" + name)()
            except Skip as reason:
                self.record(skipped=str(reason))
                print(f"  skipped: {reason}", flush=True)
            except Failed as reason:
                self.record(failed=str(reason), good=False)
                print(f"  FAILED: {reason}", flush=True)
        ran = [result for result in self.results if "value" in result]
        print(f"{len(ran)} figures of {len(names)} rows; results are in {self.work / 'gpu.jsonl'}")
        good = all(result.get("good", True) for result in self.results)
        return None if good and not ran else good

    def allow(self, seconds):
        self.allowed = seconds
        self.deadline = time.monotonic() + seconds

    # ---- reporting

    def record(self, **fields):
        result = {"row": self.row, "smoke": self.smoke, **self.card, **fields}
        self.results.append(result)
        with open(self.work / "gpu.jsonl", "a") as out:
            out.write(json.dumps(result) + "\n")

    def report(self, what, value, unit, gate=None, aim=None, at_most=False, note=""):
        good = gate is None or self.smoke or (value <= gate if at_most else value >= gate)
        sign = "<=" if at_most else ">="
        figures = "" if gate is None else f"gate {sign} {gate:g}" + ("" if aim is None else f", aim {sign} {aim:g}")
        verdict = "" if gate is None else "smoke" if self.smoke else "ok" if good else "MISSED"
        card = "" if not self.card else (f"[copy {self.card['copy_gbytes_per_second']:,.0f} GB/s, "
                                         f"bf16 {self.card['bf16_tflops']:,.0f} TFLOP/s]")
        print(f"  {what:<58} {value:>12,.4g} {unit:<11} {figures:<30} {verdict:<7} {card} {note}".rstrip(), flush=True)
        self.record(what=what, value=value, unit=unit, gate=gate, aim=aim, good=good, note=note)

    # ---- running programs

    def call(self, name, command, log, is_enough=lambda printed: False):
        """Runs a program until the row's deadline, its output in WORK/`log`.out and .err, or until `is_enough` of what it
        has printed; returns that."""
        out, err = self.work / f"{log}.out", self.work / f"{log}.err"
        with open(out, "w") as stdout, open(err, "w") as stderr:
            process = subprocess.Popen([str(word) for word in command], env=self.environment, stdin=subprocess.DEVNULL,
                                       stdout=stdout, stderr=stderr, start_new_session=True)
            try:
                while process.poll() is None:
                    if is_enough(out.read_text()):
                        self.stop(process)
                        return out.read_text()
                    if time.monotonic() > self.deadline:
                        self.stop(process)
                        raise Failed(f"{name} took longer than the limit of {self.allowed:g} s and was "
                                     f"stopped; its log: {err}")
                    time.sleep(0.05)
            except BaseException:
                self.stop(process)
                raise
        status = process.returncode
        if status == 64 and re.search("built without CUDA|no device", err.read_text()):
            raise Skip(err.read_text().strip().splitlines()[-1])
        if status != 0:
            raise Failed(f"{name} ended with {status}: " + " / ".join(err.read_text().strip().splitlines()[-3:]))
        return out.read_text()

    @staticmethod
    def stop(process):
        """Asks it to end, training with a checkpoint, and does not wait for ever."""
        for kind, seconds in ((signal.SIGTERM, 30), (signal.SIGKILL, None)):
            try:
                os.killpg(process.pid, kind)
            except ProcessLookupError:
                pass
            try:
                process.wait(seconds)
                return
            except subprocess.TimeoutExpired:
                continue

    def tool(self, name):
        if not (self.tools / name).exists():
            raise Skip(f"{self.tools / name} is missing")
        return self.tools / name

    def tessera(self, log, *words):
        return self.call(f"tessera {words[0]}", [self.tool("tessera"), *words], log)

    # ---- the card

    def bench_lines(self, is_wanted):
        """The JSON lines of gpu_bench, also those before a failure; it runs once unless a later row wants more, and no
        longer than the rows want it to."""
        if self.bench and (self.bench[1] is None or any(map(is_wanted, self.bench[0]))):
            return self.bench
        self.allow(self.limit or max(LIMITS[self.row], LIMITS[BENCH_ROWS[self.bench_goal]]))
        failure = None
        try:
            self.call("gpu_bench", [self.tool("gpu_bench"), *self.bench_words], "gpu_bench", self.is_enough_of_bench)
        except Failed as reason:
            failure = reason
            print(f"  {failure}")
        lines = self.parsed((self.work / "gpu_bench.out").read_text(), says=True)
        self.take_card(lines)
        self.bench = (lines, failure)
        return self.bench

    @staticmethod
    def parsed(printed, says=False):
        lines = []
        for text in printed.splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                if says:
                    print(f"  gpu_bench said what is no JSON: {text[:100]}")
                continue
            if isinstance(line, dict) and isinstance(line.get("what"), str):
                lines.append(line)
        return lines

    def is_enough_of_bench(self, printed):
        lines = self.parsed(printed)
        if self.bench_goal == 0:
            return any(line["what"].startswith("product") and line["what"].endswith("bf16") for line in lines)
        return self.bench_goal == 1 and len(list(filter(self.is_step, lines))) >= STEP_LINES

    def take_card(self, lines):
        card = {}
        for line in lines:
            if line["what"] == "device":
                card["device"] = line.get("name", "?")
            if line["what"] == "copy on the device":
                card["copy_gbytes_per_second"] = line.get("gbytes_per_second")
            if line["what"].startswith("product") and line["what"].endswith("bf16"):
                card["bf16_tflops"] = line.get("tflops")
        if None not in (card.get("copy_gbytes_per_second"), card.get("bf16_tflops")):
            self.card = card
            (self.work / "card.json").write_text(json.dumps(card))

    def know_card(self):
        """The card's own rates go beside every figure; measured by this call, or by an earlier one in this folder."""
        kept = self.work / "card.json"
        if not self.card and kept.exists():
            self.card = json.loads(kept.read_text())
        if not self.card and self.measures_card and self.row not in ("step", "sampled"):
            try:
                self.bench_lines(self.is_rate)
            except Skip as reason:
                print(f"  the card's own rates are not known: {reason}")

    @staticmethod
    def is_rate(line):
        return line["what"].startswith(("copy", "product"))

    @staticmethod
    def is_step(line):
        return isinstance(line.get("share_of_bf16_product"), (int, float))

    @staticmethod
    def is_sampled(line):
        return isinstance(line.get("triples_per_second"), (int, float))

    def row_card(self):
        """Copies on the card, and its products of matrices by cuBLAS."""
        lines, failure = self.bench_lines(self.is_rate)
        for line in filter(self.is_rate, lines):
            for key, value in line.items():
                if isinstance(value, (int, float)):
                    self.report(line["what"], value, key)
        if not self.card:
            raise failure or Skip("gpu_bench printed no rates of the card")

    def row_step(self):
        """The exact-softmax step, ComplEx d = 2,000, 14,541 rows: share of the card's bf16 product."""
        lines, failure = self.bench_lines(self.is_step)
        shares = list(filter(self.is_step, lines))
        for line in shares:
            gates = {"gate": 0.40, "aim": 0.65} if line["what"].endswith("bf16") else {}
            self.report(line["what"], line["share_of_bf16_product"], "of bf16", **gates,
                        note=f"({line.get('milliseconds', 0):.3f} ms)")
        if not shares:
            raise failure or Skip("gpu_bench printed no step of exact softmax")

    def row_sampled(self):
        """A sampled step on a graph in the shape of Freebase86m, d = 100, 1,000 shared negatives, all on the card."""
        lines, failure = self.bench_lines(self.is_sampled)
        found = list(filter(self.is_sampled, lines))
        for line in found:
            self.report(line["what"], line["triples_per_second"], "triples/s", gate=2e6, aim=10e6)
        if not found:
            raise failure or Skip("this gpu_bench has no sampled step")

    # ---- training

    def graph(self, data, name):
        """One of the data sets in one part; made once."""
        source = self.data / data
        files = {}
        for split in ("train", "valid", "test"):
            found = [file for file in (source / f"{split}.tsv.zst", source / f"{split}.tsv") if file.exists()]
            if not found:
                raise Skip(f"{data} is not in {self.data}; --data names the folder that has it")
            files[split] = found[0]
        graph = self.work / name
        if not (graph / "parts-1").exists():
            shutil.rmtree(graph, ignore_errors=True)
            words = [word for split, file in files.items() for word in (f"--{split}", file)]
            self.tessera("import", "import", *words, "--allow-unseen", "-o", graph)
            self.tessera("partition", "partition", graph, "--parts", 1)
        return graph

    def settings(self, **keys):
        keys = {**keys, **(TINY if self.smoke else {})}
        return [f"{key}={value}" for key, value in keys.items()] + self.overrides

    def train(self, name, job, data, graph_name, **keys):
        """Trains the job of that name in its run folder; its folder and wall time."""
        graph = self.graph(data, graph_name)
        run = self.run_folder(name)
        if not self.resume:
            shutil.rmtree(run, ignore_errors=True)
        again = ["--resume"] if self.resume and run.exists() else []
        start = time.monotonic()
        self.tessera(f"train-{name}", "train", self.jobs / "gpu" / f"{job}.toml", f"data.graph={graph}",
                     f"run.folder={run}", *self.settings(**keys), *again)
        return run, None if again else time.monotonic() - start

    def run_folder(self, name):
        return self.work / f"{'smoke' if self.smoke else 'run'}-{name}"

    def finished(self, name, job):
        """Whether row `name` was trained to its end on a device as the job file says: what else is there is not ranked
        in its name."""
        run = self.run_folder(name)
        if not (run / "job.toml").exists() or not self.epochs(run):
            return False
        trained, wanted = read_job(run / "job.toml"), read_job(self.jobs / "gpu" / f"{job}.toml")
        wanted["train"]["epochs"] = self.other_epochs() or wanted["train"]["epochs"]
        keys = (("model", "name"), ("model", "dim"), ("train", "epochs"), ("run", "device"))
        return self.smoke or (all(trained[table][key] == wanted[table][key] for table, key in keys) and
                              len(self.epochs(run)) == wanted["train"]["epochs"])

    def other_epochs(self):
        """The epochs that --set asks for, which are not those of the recipe; else None."""
        return next((int(word.split("=")[1]) for word in reversed(self.overrides) if word.startswith("train.epochs=")), None)

    @staticmethod
    def epochs(run):
        path = run / "metrics.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def recipe(self, name, job, data, graph_name, mrr, seconds=None):
        """Trains and ranks; time and test MRR against their gates and aims."""
        run, wall = self.train(name, job, data, graph_name)
        epochs = self.epochs(run)
        computing = sum(epoch.get("seconds", 0) for epoch in epochs)
        shorter = self.other_epochs() is not None
        gates = {} if seconds is None or shorter else {"gate": seconds[0], "aim": seconds[1], "at_most": True}
        if wall is None:
            self.report(f"{job}, {len(epochs)} epochs (continued)", computing, "s", **gates, note="(of its epochs alone)")
        else:
            self.report(f"{job}, {len(epochs)} epochs", wall, "s", **gates,
                        note=f"(loading and validations included; {computing:.1f} s of epochs)")
        ranked = json.loads(self.tessera(f"evaluate-{name}", "evaluate", "--json", run, *self.settings_of_ranking()))
        self.report("  test MRR", ranked["mrr"], "", *(() if shorter else mrr))

    def settings_of_ranking(self):
        return ["run.device=cpu"] if self.smoke else []

    def row_fb15k(self):
        """FB15k-237, ComplEx-N3 of rank 1,000, 100 epochs: time, test MRR."""
        self.recipe("fb15k", "fb15k-237-complex-n3", "FB15k-237", "fb15k-237.kg", (0.366, None), (60, 25))

    def row_evaluate(self):
        """Exact filtered ranking of the test split of FB15k-237, rank 1,000: milliseconds, best of three."""
        run = self.run_folder("fb15k")
        if not self.finished("fb15k", "fb15k-237-complex-n3"):
            print("  no finished model of the row fb15k is there: ranking one of a single epoch")
            run, _ = self.train("evaluate", "fb15k-237-complex-n3", "FB15k-237", "fb15k-237.kg", **{"train.epochs": 1})
        seconds = min(json.loads(self.tessera("evaluate", "evaluate", "--json", "--resamples", 0, run,
                                              *self.settings_of_ranking()))["seconds"] for _ in range(3))
        note = [line for line in (self.work / "evaluate.err").read_text().splitlines() if "screened" in line]
        ranked = read_job(run / "job.toml")
        dim = ranked["model"]["dim"]
        goals = (200, 50) if (dim, ranked["run"]["device"]) == (2000, "cuda") else (None, None)
        what = f"exact ranking of the test split, d = {dim}"
        self.report(what, 1000 * seconds, "ms", *goals, at_most=True,
                    note=note[-1].split("screened")[-1].strip() if note else "")

    def row_memory(self):
        """Device memory of a run: planned against measured peak."""
        name = "fb15k" if self.epochs(self.run_folder("fb15k")) else "memory"
        if name == "memory":
            self.train(name, "fb15k-237-complex-n3", "FB15k-237", "fb15k-237.kg", **{"train.epochs": 1})
        last = self.epochs(self.run_folder(name))[-1]
        planned, measured = last.get("device_planned_bytes"), last.get("device_measured_bytes")
        if not planned or not measured:
            raise Skip(f"{self.run_folder(name)}/metrics.jsonl does not say what device memory was planned and measured")
        self.report("device memory: |planned - measured| / measured", 100 * abs(planned - measured) / measured, "%", 5, 2,
                    at_most=True, note=f"({planned / 2**20:,.1f} and {measured / 2**20:,.1f} MiB)")

    def row_wn18rr(self):
        """WN18RR, ComplEx-N3 of rank 500: test MRR."""
        self.recipe("wn18rr", "wn18rr-complex-n3", "WN18RR", "wn18rr.kg", (0.485, 0.495))

    def row_relations(self):
        """FB15k-237, ComplEx-N3 of rank 1,000 with relation prediction, 500 epochs: time, test MRR."""
        self.recipe("relations", "fb15k-237-complex-n3-relations", "FB15k-237", "fb15k-237.kg", (0.386, 0.392), (360, 180))
