# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""`tessera search`: the same results by one worker and by several, stopped and continued; trials that fail."""

import csv
import json
import signal
import subprocess
import time

import support
from support import ProgramTest

USAGE, BAD_DATA, STOPPED = 64, 65, 75

SEARCH = """[search]
job = "job.toml"
folder = "{folder}"
trials = 6
first_epochs = 2
{more}
[space]
model.dim = [8, 16]
optimiser.learning_rate = {{ from = 0.01, to = 0.5, log = true }}
"""


class SearchTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.make_graph()
        self.write_job(**{"train.epochs": 6, "validate.every": 3})

    def search(self, folder, more=""):
        return self.write(f"{folder}.toml", SEARCH.format(folder=folder, more=more))

    def results(self, folder):
        """What depends on no clock, in order."""
        lines = [json.loads(line) for line in (self.folder / folder / "results.jsonl").read_text().splitlines()]
        return sorted((line["trial"], line["epochs"], line["validation_mrr"], line["best_epoch"], line["failure"]) for line in lines)

    def start(self, *words):
        return subprocess.Popen([support.PROGRAM, *map(str, words)], env=support.environment(), cwd=self.folder,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def test_a_search(self):
        rows = list(csv.DictReader(self.succeed("search", self.search("a"), "--format", "csv").splitlines()))
        self.assertEqual([row["epochs"] for row in rows], ["6", "6", "2", "2", "2", "2"])  # one of three goes on
        self.assertEqual(len(self.results("a")), 8)
        best = rows[0]
        run = [json.loads(line) for line in (self.folder / "a" / best["trial"] / "metrics.jsonl").read_text().splitlines()]
        self.assertEqual([line["epoch"] for line in run], [1, 2, 3, 4, 5, 6])
        self.assertEqual(float(best["validation_mrr"]), max(line.get("validation_mrr", 0) for line in run))
        # All at once: the trial that went through the rounds has the bits of a run of its own.
        job = ["train", "job.toml", "run.folder=whole", f"model.dim={best['model.dim']}",
               f"optimiser.learning_rate={best['optimiser.learning_rate']}"]
        self.succeed(*job)
        whole = json.loads((self.folder / "whole/metrics.jsonl").read_text().splitlines()[-1])
        self.assertEqual(run[-1]["loss"], whole["loss"])

    def test_workers_and_ranks_change_nothing(self):
        self.succeed("search", self.search("alone"))
        file = self.search("shared")
        workers = [self.start("search", file) for _ in range(3)]
        ends = [worker.communicate(timeout=120) for worker in workers]
        self.assertEqual([worker.returncode for worker in workers], [0, 0, 0], ends)
        self.assertEqual(len({table for table, _ in ends}), 1)
        self.assertEqual(self.results("shared"), self.results("alone"))
        self.succeed("search", self.search("ranks", more='launch = "mpirun -n 2 --bind-to none"'))
        self.assertEqual(self.results("ranks"), self.results("alone"))

    def test_stops_and_goes_on(self):
        self.succeed("search", self.search("alone"))
        for name, number in (("killed", signal.SIGKILL), ("stopped", signal.SIGUSR1), ("interrupted", signal.SIGINT)):
            worker = self.start("search", self.search(name))
            log = self.folder / name / "results.jsonl"
            while worker.poll() is None and (not log.exists() or log.read_text().count("\n") < 2):
                time.sleep(0.02)
            worker.send_signal(number)
            worker.communicate(timeout=60)
            if number != signal.SIGKILL:
                self.assertIn(worker.returncode, (0, STOPPED))
            deadline = time.monotonic() + 60
            while any(self.folder.joinpath(name).glob(".trial-*.training")) and time.monotonic() < deadline:
                time.sleep(0.05)  # a trial that was told to end
            self.succeed("search", f"{name}.toml")
            self.assertEqual(self.results(name), self.results("alone"))

    def test_what_cannot_be_searched(self):
        self.succeed("search", self.search("a"))
        self.write("a.toml", SEARCH.format(folder="a", more="seed = 2"))
        self.refuse(USAGE, "search", "a.toml", says=["'a' is of another search"])
        self.write_job(**{"validate.every": 0})
        self.refuse(USAGE, "search", self.search("b"), says=["validate.every is 0"])
        self.write_job(**{"train.epochs": 6, "validate.every": 3})
        for launcher, says in (("false", "status 1"), ("no-such-launcher", "'no-such-launcher' cannot be started")):
            done = self.run_program("search", self.search(launcher, more=f'launch = "{launcher}"'))
            self.assertEqual(done.returncode, BAD_DATA)
            self.assertIn(b"all trials have failed", done.stderr)
            self.assertIn(says.encode(), done.stderr)

    def test_a_trial_that_fails(self):
        self.write("some.toml", '[search]\njob = "job.toml"\nfolder = "some"\nmethod = "grid"\n[space]\nmodel.dim = [8, 16]\n'
                                'run.memory = ["1GiB", "100KiB"]\n')
        rows = list(csv.DictReader(self.succeed("search", "some.toml", "--format", "csv").splitlines()))
        self.assertEqual([row["failure"] == "" for row in rows], [True, True, False, False])
        self.assertIn("status 69", rows[-1]["failure"])


if __name__ == "__main__":
    support.main()
