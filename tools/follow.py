#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Hands the metrics of a run to another program for learning curves, epoch by epoch, while it trains or afterwards.

  tools/follow.py RUN --to tensorboard [--output FOLDER]     then: tensorboard --logdir FOLDER
  tools/follow.py RUN --to mlflow      [--project NAME]      MLFLOW_TRACKING_URI says where to
  tools/follow.py RUN --to wandb       [--project NAME]

It reads RUN/metrics.jsonl (docs/formats/run.md) and RUN/job.toml, and changes nothing in RUN. It ends after the last
epoch of the job, with --idle after so many seconds without a new epoch, with --once at the end of the file, and with
Ctrl-C. An epoch is handed over once, also where a continued run trains it again; started again, it goes on behind the
last epoch that the other program has.
"""

import argparse
import calendar
import hashlib
import importlib
import json
import sys
import time
import tomllib
from pathlib import Path

OTHERS = {"time", "host", "job_id", "epoch", "validation_filter"}  # no figures


def fail(message, status=64):
    print(f"follow.py: {message}", file=sys.stderr)
    sys.exit(status)


def need(name, package):
    """The module, or an end with the command that installs it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        fail(f"the Python package '{package}' is missing ({error}); 'python3 -m pip install {package}' installs it", 69)


def figures(record):
    """The numbers of an epoch by name; nested ones as "stage_seconds/draw"."""
    out = {}
    for key, value in record.items():
        if isinstance(value, dict):
            out.update({f"{key}/{name}": float(number) for name, number in value.items()})
        elif key not in OTHERS and isinstance(value, (int, float)) and not isinstance(value, bool):
            out[key] = float(value)
    return out


def seconds_since_1970(record):
    """When the epoch ended; now where an older version did not say."""
    if "time" not in record:
        return time.time()
    return float(calendar.timegm(time.strptime(record["time"], "%Y-%m-%dT%H:%M:%SZ")))


class TensorBoard:
    """Event files in OUTPUT/NAME-OF-RUN."""

    def __init__(self, run, options, settings):
        need("tensorboard", "tensorboard")
        writer = need("tensorboard.summary.writer.event_file_writer", "tensorboard")
        self.event = need("tensorboard.compat.proto.event_pb2", "tensorboard").Event
        self.summary = need("tensorboard.compat.proto.summary_pb2", "tensorboard").Summary
        self.folder = Path(options.output) / run.name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.mark = self.folder / "last_epoch.txt"
        self.writer = writer.EventFileWriter(str(self.folder))

    def last_epoch(self):
        return int(self.mark.read_text()) if self.mark.exists() else 0

    def add(self, epoch, values, at):
        for name, value in values.items():
            summary = self.summary(value=[self.summary.Value(tag=name, simple_value=value)])
            self.writer.add_event(self.event(wall_time=at, step=epoch, summary=summary))
        self.writer.flush()
        self.mark.write_text(str(epoch))

    def close(self):
        self.writer.close()


class MLflow:
    """A run of MLflow with the tag tessera.run; one that is there already is continued."""

    def __init__(self, run, options, settings):
        mlflow = need("mlflow", "mlflow")
        mlflow.set_experiment(options.project)
        self.client = mlflow.MlflowClient()
        experiment = self.client.get_experiment_by_name(options.project).experiment_id
        found = self.client.search_runs([experiment], f"tags.`tessera.run` = '{str(run).replace(chr(39), '_')}'")
        if found:
            self.run = found[0].info.run_id
            return
        self.run = self.client.create_run(experiment, run_name=run.name).info.run_id
        self.client.set_tag(self.run, "tessera.run", str(run).replace("'", "_"))
        for key, value in settings.items():
            self.client.log_param(self.run, key, value)

    def last_epoch(self):
        return max((metric.step for metric in self.client.get_metric_history(self.run, "loss")), default=0)

    def add(self, epoch, values, at):
        for name, value in values.items():
            self.client.log_metric(self.run, name, value, timestamp=int(1000 * at), step=epoch)

    def close(self):
        self.client.set_terminated(self.run)


class WandB:
    """A run of Weights & Biases whose id comes from the path of the run; one that is there already is continued."""

    def __init__(self, run, options, settings):
        wandb = need("wandb", "wandb")
        name = hashlib.sha256(str(run).encode(errors="surrogateescape")).hexdigest()[:16]
        self.run = wandb.init(project=options.project, name=run.name, id=name, resume="allow", config=settings)

    def last_epoch(self):
        return int(self.run.summary.get("epoch", 0))

    def add(self, epoch, values, at):
        self.run.log({"epoch": epoch, **values}, step=epoch)

    def close(self):
        self.run.finish()


TARGETS = {"tensorboard": TensorBoard, "mlflow": MLflow, "wandb": WandB}


def flat(settings, above=""):
    """The keys of a job file, dotted."""
    out = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            out.update(flat(value, f"{above}{key}."))
        else:
            out[f"{above}{key}"] = value
    return out


def read_records(log):
    """The complete lines of the log. It is read as a whole each time: a continued run replaces it."""
    try:
        text = log.read_text()
    except FileNotFoundError:
        return []
    records = []
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        if not line.endswith("\n"):
            break
        try:
            record = json.loads(line)
            record["epoch"] = int(record["epoch"])
        except (ValueError, KeyError, TypeError):
            fail(f"{log}:{number}: not a line of metrics", 65)
        records.append(record)
    return records


def follow(run, target, options, epochs):
    last = target.last_epoch()
    changed = time.monotonic()
    while True:
        for record in read_records(run / "metrics.jsonl"):
            if record["epoch"] > last:
                last = record["epoch"]
                changed = time.monotonic()
                target.add(last, figures(record), seconds_since_1970(record))
        idle = options.idle is not None and time.monotonic() - changed > options.idle
        if options.once or last >= epochs or idle:
            return last
        time.sleep(options.every)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="the run folder")
    parser.add_argument("--to", required=True, choices=sorted(TARGETS), help="the program that gets the metrics")
    parser.add_argument("--once", action="store_true", help="hand over what is there, then end")
    parser.add_argument("--idle", type=float, metavar="SECONDS", help="end after so long without a new epoch")
    parser.add_argument("--every", type=float, default=2, metavar="SECONDS", help="time between two looks (default: 2)")
    parser.add_argument("--output", default="tensorboard", metavar="FOLDER", help="of TensorBoard (default: tensorboard)")
    parser.add_argument("--project", default="tessera", help="of MLflow (experiment) and W&B (default: tessera)")
    options = parser.parse_args()
    run = Path(options.run).resolve()
    if not (run / "job.toml").exists():
        fail(f"'{options.run}' is no run folder: it has no job.toml", 66)
    try:
        job = tomllib.loads((run / "job.toml").read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        fail(f"'{run / 'job.toml'}' is damaged: {error}", 65)
    read_records(run / "metrics.jsonl")  # damage is told before anything is made
    target = TARGETS[options.to](run, options, flat(job))
    try:
        last = follow(run, target, options, job.get("train", {}).get("epochs", 100))
    except KeyboardInterrupt:
        last = None
    finally:
        target.close()
    if last is not None:
        print(f"{last} epochs of '{run.name}' are in {options.to}")


if __name__ == "__main__":
    main()
