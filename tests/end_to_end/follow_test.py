# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""tools/follow.py hands every epoch to another program once, while a run trains and after it."""

import calendar
import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path

import support
from support import ProgramTest

FOLLOW = Path(__file__).resolve().parents[2] / "tools" / "follow.py"
USAGE, BAD_DATA, MISSING, UNAVAILABLE = 64, 65, 66, 69

# Modules with the few calls of MLflow and W&B that follow.py makes; they write down what they are given.
MLFLOW = '''
import json, os
class Entity:
    def __init__(self, **values): self.__dict__.update(values)
def set_experiment(name): pass
class MlflowClient:
    def get_experiment_by_name(self, name): return Entity(experiment_id=name)
    def search_runs(self, experiments, condition):
        return [Entity(info=Entity(run_id="one"))] if os.path.exists("mlflow.log") else []
    def create_run(self, experiment, run_name): return Entity(info=Entity(run_id="one"))
    def set_tag(self, *words): pass
    def log_param(self, *words): self.write(["param", *words])
    def get_metric_history(self, run, name):
        lines = [json.loads(line) for line in open("mlflow.log")] if os.path.exists("mlflow.log") else []
        return [Entity(step=line[4]) for line in lines if line[0] == "metric" and line[2] == name]
    def log_metric(self, run, name, value, timestamp, step): self.write(["metric", run, name, value, step, timestamp])
    def set_terminated(self, run): pass
    def write(self, line): open("mlflow.log", "a").write(json.dumps(line) + "\\n")
'''
WANDB = '''
import json
class Run:
    summary = {}
    def log(self, values, step): open("wandb.log", "a").write(json.dumps([step, values]) + "\\n")
    def finish(self): pass
def init(project, name, id, resume, config):
    assert resume == "allow" and config["model.name"] == "complex" and len(id) == 16
    return Run()
'''


class Follow(ProgramTest):
    def setUp(self):
        super().setUp()
        self.make_graph()
        self.job = self.write_job()

    def follow(self, *words, status=0, **extra):
        done = subprocess.run([sys.executable, FOLLOW, *words], cwd=self.folder, env=support.environment(**extra),
                              capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout + done.stderr

    def lines(self):
        return [json.loads(line) for line in (self.folder / "run/metrics.jsonl").read_text().splitlines()]

    def install(self, name, text):
        (self.folder / "modules").mkdir(exist_ok=True)
        self.write(f"modules/{name}.py", text)
        return {"PYTHONPATH": str(self.folder / "modules")}

    def test_tensorboard(self):
        if importlib.util.find_spec("tensorboard") is None:
            self.skipTest("the Python package tensorboard is missing")
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
        self.succeed("train", self.job)
        for _ in range(2):  # the second time hands over nothing again
            self.assertIn("4 epochs of 'run'", self.follow("run", "--to", "tensorboard", "--once", "--output", "board"))
        self.succeed("train", self.job, "--resume", "train.epochs=6")
        self.follow("run", "--to", "tensorboard", "--output", "board")
        events = EventAccumulator(str(self.folder / "board/run"))
        events.Reload()
        lines = self.lines()
        losses = events.Scalars("loss")
        self.assertEqual([event.step for event in losses], [1, 2, 3, 4, 5, 6])
        for event, line in zip(losses, lines):
            self.assertAlmostEqual(event.value, line["loss"], places=5)
            self.assertEqual(event.wall_time, calendar.timegm(time.strptime(line["time"], "%Y-%m-%dT%H:%M:%SZ")))
        self.assertEqual([event.step for event in events.Scalars("validation_mrr")], [2, 4, 6])
        self.assertEqual([event.step for event in events.Scalars("validation_hits_at_10")], [2, 4, 6])
        self.assertEqual(len(events.Scalars("stage_seconds/draw")), 6)

    def test_calls_of_mlflow(self):
        modules = self.install("mlflow", MLFLOW)
        self.succeed("train", self.job)
        for _ in range(2):
            self.follow("run", "--to", "mlflow", "--once", **modules)
        calls = [json.loads(line) for line in (self.folder / "mlflow.log").read_text().splitlines()]
        self.assertIn(["param", "one", "model.name", "complex"], calls)
        losses = [(step, value) for kind, _, name, value, *rest in (c for c in calls if c[0] == "metric") for step in rest[:1]
                  if name == "loss"]
        self.assertEqual(losses, [(line["epoch"], line["loss"]) for line in self.lines()])

    def test_a_run_that_trains(self):
        modules = self.install("wandb", WANDB)
        process = None
        try:
            self.succeed("train", self.job, "train.epochs=2")
            self.write("run/job.toml", (self.folder / "run/job.toml").read_text().replace("epochs = 2", "epochs = 6"))
            process = subprocess.Popen([sys.executable, FOLLOW, "run", "--to", "wandb", "--every", "0.05"], cwd=self.folder,
                                       env=support.environment(**modules), stdout=subprocess.PIPE)
            log = self.folder / "wandb.log"
            deadline = time.monotonic() + 60
            while (not log.exists() or len(log.read_text().splitlines()) < 2) and time.monotonic() < deadline:
                time.sleep(0.05)
            self.assertIsNone(process.poll())  # it waits for more
            self.succeed("train", self.job, "--resume", "train.epochs=6")
            self.assertIn("6 epochs", process.communicate(timeout=60)[0].decode())
        finally:
            if process is not None and process.poll() is None:
                process.kill()
        steps = [json.loads(line) for line in log.read_text().splitlines()]
        self.assertEqual([step for step, _ in steps], [1, 2, 3, 4, 5, 6])
        self.assertEqual([values["loss"] for _, values in steps], [line["loss"] for line in self.lines()])

    def test_refusals(self):
        self.succeed("train", self.job)
        broken = self.install("wandb", "raise ImportError('no such thing')")
        self.assertIn("'python3 -m pip install wandb' installs it", self.follow("run", "--to", "wandb", "--once", status=UNAVAILABLE, **broken))
        self.assertIn("no run folder", self.follow("data.kg", "--to", "wandb", status=MISSING))
        with open(self.folder / "run/metrics.jsonl", "a") as log:
            log.write("[]\n")
        self.assertIn("metrics.jsonl:5", self.follow("run", "--to", "wandb", "--once", status=BAD_DATA, **self.install("wandb", WANDB)))

    def test_an_unfinished_line_waits(self):
        modules = self.install("wandb", WANDB)
        self.succeed("train", self.job)
        with open(self.folder / "run/metrics.jsonl", "a") as log:
            log.write('{"epoch": 5, "lo')
        self.assertIn("4 epochs", self.follow("run", "--to", "wandb", "--once", **modules))
        self.assertIn("4 epochs", self.follow("run", "--to", "wandb", "--idle", "0.1", "--every", "0.05", **modules))


if __name__ == "__main__":
    support.main()
