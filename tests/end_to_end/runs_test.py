# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""`tessera runs`: every run beneath a folder in one line, whatever state it is in."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import time

import support
from support import ProgramTest

USAGE, MISSING = 64, 66


class Runs(ProgramTest):
    def setUp(self):
        super().setUp()
        self.make_graph()
        self.train("runs/b", **{"train.epochs": 4, "optimiser.learning_rate": 0.5})
        self.train("runs/deep/a", **{"train.epochs": 2, "model.name": '"distmult"'})
        self.train("runs/never", **{"train.epochs": 1, "validate.every": 0})
        self.tested = json.loads(self.succeed("evaluate", "runs/b", "--json"))

    def train(self, run, **keys):
        job = self.write_job("job.toml", **{"run.folder": f'"{run}"', **keys})
        return json.loads(self.succeed("train", job, "--json"))

    def list(self, *words):
        return {run["name"]: run for run in json.loads(self.succeed("runs", "runs", "--json", *words))}

    def test_figures(self):
        runs = self.list()
        self.assertEqual(list(runs), ["b", "deep/a", "never"])
        lines = [json.loads(line) for line in (self.folder / "runs/b/metrics.jsonl").read_text().splitlines()]
        best = max((line for line in lines if "validation_mrr" in line), key=lambda line: line["validation_mrr"])
        b = runs["b"]
        self.assertEqual((b["best_valid_mrr"], b["best_epoch"]), (best["validation_mrr"], best["epoch"]))
        self.assertEqual((b["test_mrr"], b["test_epoch"]), (self.tested["mrr"], best["epoch"]))
        self.assertEqual((b["model"], b["dim"], b["epochs"], b["of_epochs"]), ("complex", 16, 4, 4))
        self.assertEqual((b["state"], b["fault"]), ("finished", None))
        self.assertRegex(b["changed"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual((runs["deep/a"]["model"], runs["deep/a"]["test_mrr"]), ("distmult", None))
        self.assertIsNone(runs["never"]["best_valid_mrr"])
        table = self.succeed("runs", "runs").splitlines()
        self.assertEqual(len(table), 4)
        self.assertRegex(table[1], r"^b +complex +16 +4/4 +finished +{:.4f} +{} +{:.4f} ".format(
            best["validation_mrr"], best["epoch"], self.tested["mrr"]))
        [itself] = json.loads(self.succeed("runs", "runs/b", "--json"))
        self.assertEqual(itself, {**b, "name": "runs/b"})

    def test_orders(self):
        runs = self.list()
        by_mrr = sorted(["b", "deep/a"], key=lambda name: -runs[name]["best_valid_mrr"])
        self.assertEqual(list(self.list("--sort", "valid_mrr")), [*by_mrr, "never"])
        self.assertEqual(list(self.list("--sort", "test_mrr"))[0], "b")
        self.assertEqual(list(self.list("--sort", "epochs")), ["b", "deep/a", "never"])
        self.assertEqual(list(self.list("--sort", "model")), ["b", "never", "deep/a"])
        for folder, seconds in (("b", 1000), ("deep/a", 3000), ("never", 2000)):
            for path in [self.folder / "runs" / folder, *(self.folder / "runs" / folder).iterdir()]:
                os.utime(path, (seconds, seconds))
        self.assertEqual(list(self.list("--sort", "changed")), ["deep/a", "never", "b"])
        self.assertEqual(self.list()["b"]["changed"], "1970-01-01T00:16:40Z")
        self.refuse(USAGE, "runs", "runs", "--sort", "speed", says=["--sort", "valid_mrr"])

    def test_states(self):
        (self.folder / "runs/new/checkpoints").mkdir(parents=True)
        with open(self.folder / "runs/.b.training", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            runs = self.list()
            self.assertEqual(runs["b"]["state"], "running")
        self.assertEqual(self.list()["b"]["state"], "finished")  # the file is there, and nobody holds it
        self.assertEqual(runs["new"]["state"], "damaged")  # no job file yet, and nobody trains
        self.assertIn("job.toml", runs["new"]["fault"])

    def test_a_stopped_run(self):
        words = [support.PROGRAM, "train", "job.toml", "run.folder=runs/stopped", "train.epochs=100000", "validate.every=0"]
        process = subprocess.Popen(words, cwd=self.folder, env=support.environment(), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        log = self.folder / "runs/stopped/metrics.jsonl"
        deadline = time.monotonic() + 60
        while not (log.exists() and log.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(self.list()["stopped"]["state"], "running")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(60), 75)
        stopped = self.list()["stopped"]
        self.assertEqual((stopped["state"], stopped["of_epochs"]), ("stopped", 100000))
        self.assertGreater(stopped["epochs"], 0)

    def test_damage_ends_nothing(self):
        sound = self.list()
        shutil.copytree(self.folder / "runs/b", self.folder / "runs/job")
        (self.folder / "runs/job/job.toml").write_text("[run\n")
        shutil.copytree(self.folder / "runs/b", self.folder / "runs/metrics")
        (self.folder / "runs/metrics/metrics.jsonl").write_text("{}\n")
        shutil.copytree(self.folder / "runs/b", self.folder / "runs/ranks")
        (self.folder / "runs/ranks/evaluation-test.h5").write_bytes(b"short")
        shutil.copytree(self.folder / "runs/b", self.folder / "runs/state")
        for manifest in (self.folder / "runs/state/checkpoints").glob("*/manifest.h5"):
            manifest.write_bytes(b"short")
        runs = self.list("--sort", "state")
        for name in sound:
            self.assertEqual({**runs[name], "changed": ""}, {**sound[name], "changed": ""})
        for name, words in (("job", "job.toml"), ("metrics", "metrics.jsonl:1"), ("ranks", "evaluation-test.h5"),
                            ("state", "manifest.h5")):
            self.assertEqual(runs[name]["state"], "damaged", name)
            self.assertIn(words, runs[name]["fault"])
        self.assertEqual(runs["job"]["best_valid_mrr"], sound["b"]["best_valid_mrr"])
        self.assertIsNone(runs["job"]["of_epochs"])
        self.assertIn("what is wrong", self.succeed("runs", "runs").splitlines()[0])

    def test_folders(self):
        self.refuse(MISSING, "runs", "nowhere", says=["'nowhere' is no folder"])
        self.refuse(MISSING, "runs", "job.toml", says=["'job.toml' is no folder"])
        (self.folder / "empty").mkdir()
        self.assertEqual(json.loads(self.succeed("runs", "empty", "--json")), [])
        self.assertIn("no run folder", self.succeed("runs", "empty"))
        os.symlink(self.folder, self.folder / "runs/around")  # a circle
        self.assertEqual(len(self.list()), 3)


if __name__ == "__main__":
    support.main()
