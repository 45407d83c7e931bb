# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""A run that is stopped within epochs, on other numbers of ranks each time, has the bits of one that never stopped."""

import json
import random

import support

USAGE, MISSING, STOPPED = 64, 66, 75

MODES = {
    "stale rows": {"exchange.mode": '"rows"', "exchange.staleness": 1},
    "queries": {"exchange.mode": '"queries"', "negatives.scope": '"all"'},
    "rounds": {"exchange.mode": '"rows"', "memory.resident_parts": 4, "negatives.count": 16},
    "rounds of queries": {"exchange.mode": '"queries"', "memory.resident_parts": 5, "run.rows": '"bf16"', "optimiser.state": '"log8"'},
}


class Segments(support.ProgramTest):
    def setUp(self):
        super().setUp()
        self.make_graph(parts=16)

    def job(self, name, **keys):
        cut = {} if "memory.resident_parts" in keys else {"train.segment_steps": 3}
        return self.write_job(f"{name}.toml", **{"data.parts": 16, "run.folder": f'"{name}"', "train.epochs": 2,
                                                 "validate.every": 2, "train.batch_size": 64, **cut, **keys})

    def outcome(self, *words, **options):
        done = self.run_program("train", "--json", *words, **options)
        return done, json.loads(done.stdout or b"{}")

    def checkpoints(self, name):
        return sorted(path.name for path in (self.folder / name / "checkpoints").iterdir())

    def test_stops_at_random_change_no_bit(self):
        draw = random.Random(15)
        for mode, keys in MODES.items():
            with self.subTest(mode):
                whole = json.loads(self.succeed("train", "--json", self.job("whole", **keys, **{"run.folder": f'"whole {mode}"'})))
                job = self.job("stopped", **keys, **{"run.folder": f'"stopped {mode}"'})
                within_epochs = 0
                most = 24 if "rounds" in mode else 13  # steps of a session
                for session in range(40):
                    ranks = (2, 3, 1)[session % 3]
                    fault = f"train.step:{draw.randrange(ranks)}:{draw.randrange(4, most)}:signal"
                    done, outcome = self.outcome(job, "--resume", ranks=ranks, TESSERA_FAULT=fault)
                    if done.returncode == 0:
                        break
                    self.assertEqual(done.returncode, STOPPED, done.stderr.decode())
                    if "segment" in outcome:
                        within_epochs += 1
                        self.assertIn(f"epoch-{outcome['epochs']:06}-segment-{outcome['segment']:06}",
                                      self.checkpoints(f"stopped {mode}"))
                        self.assertIn(f"and {outcome['segment']} of {outcome['segments']} segments", done.stderr.decode())
                self.assertGreaterEqual(within_epochs, 2)
                self.assertEqual({**outcome, "run": ""}, {**whole, "run": ""})
                lines = [[json.loads(line)["loss"] for line in (self.folder / f"{run} {mode}/metrics.jsonl").read_text().splitlines()]
                         for run in ("whole", "stopped")]
                self.assertEqual(*lines)
                self.assertEqual([name for name in self.checkpoints(f"stopped {mode}") if "segment" in name], [])

    def test_a_kill_loses_what_came_after_the_checkpoint_only(self):
        for mode in ("stale rows", "rounds"):
            with self.subTest(mode):
                whole = json.loads(self.succeed("train", "--json", self.job("whole", **MODES[mode], **{"run.folder": f'"whole {mode}"'})))
                job = self.job("killed", **MODES[mode], **{"run.folder": f'"killed {mode}"'})
                often = ("checkpoint.every=0.000001s", "checkpoint.keep=2")
                for ranks, nth in ((2, 8), (1, 9)):
                    done = self.run_program("train", job, "--resume", *often, ranks=ranks, TESSERA_FAULT=f"train.step:{ranks - 1}:{nth}:kill")
                    self.assertNotEqual(done.returncode, 0)
                    names = self.checkpoints(f"killed {mode}")
                    self.assertTrue(any("segment" in name for name in names), names)
                self.assertLessEqual(len(names), 3)
                done, outcome = self.outcome(job, "--resume", ranks=2)
                self.assertEqual(outcome["parameter_digest"], whole["parameter_digest"])
                self.assertEqual(outcome["loss"], whole["loss"])

    def test_a_partial_epoch_is_no_model(self):
        job = self.job("run")
        done, outcome = self.outcome(job, TESSERA_FAULT="train.step:0:1:signal")
        self.assertEqual((done.returncode, outcome["epochs"], outcome["segment"]), (STOPPED, 0, 1))
        for command in (("evaluate", "run"), ("predict", "run", "--query", "e000", "r1"), ("export", "run", "-o", "model")):
            with self.subTest(command=command):
                self.refuse(MISSING, *command, says=["first epoch is not complete", "--resume"])
        self.assertIn("epoch 0 and 1 of", self.succeed("info", "run"))
        self.assertIn("1 of", self.succeed("info", "run/checkpoints/epoch-000000-segment-000001"))
        self.succeed("train", job, "--resume", "train.epochs=1")
        done, outcome = self.outcome(job, "--resume", TESSERA_FAULT="train.step:0:1:signal")
        self.assertEqual((outcome["epochs"], outcome["segment"]), (1, 1))
        self.assertEqual(self.checkpoints("run"), ["epoch-000001", "epoch-000001-segment-000001"])
        self.assertIn("checkpoint after epoch 1 of", self.run_program("evaluate", "run").stderr.decode())
        self.refuse(USAGE, "train", job, "--resume", "train.epochs=1", says=["2 epochs already", "train.epochs is 1"])
        self.refuse(USAGE, "train", job, "--resume", "train.segment_steps=4", says=["train.segment_steps"])

    def test_the_log_says_once_how_long_a_stop_takes(self):
        done = self.run_program("train", self.job("run", **{"checkpoint.every": '"0.000001s"'}))
        self.assertEqual(done.stderr.decode().count("a stop request takes up to"), 1, done.stderr.decode())
        [*_, last] = map(json.loads, (self.folder / "run/metrics.jsonl").read_text().splitlines())
        self.assertGreater(last["segments"], 3)
        self.assertGreater(last["save_seconds"], 0)
        self.assertGreater(last["write_seconds"], 0)
        self.assertLessEqual(last["longest_segment_seconds"], last["seconds"])

    def test_a_warning_of_slurm_that_comes_too_late_is_said_from_the_start(self):
        job = self.job("run", **{"checkpoint.every": '"0.000001s"'})
        done = self.run_program("train", job, TESSERA_FAULT="train.step:0:20:signal", TESSERA_SIGNAL_LEAD="300")
        self.assertEqual(done.returncode, STOPPED, done.stderr.decode())
        self.assertNotIn("too late", done.stderr.decode())
        done = self.run_program("train", job, "--resume", TESSERA_SIGNAL_LEAD="60")
        message = done.stderr.decode()
        self.assertIn("a stop request takes about", message)
        self.assertEqual(message.count("too late"), 1, message)
        self.assertRegex(message, "--signal=B:USR1@9[0-9]")
        self.assertLess(message.index("too late"), message.index("epoch 2 of "))

    def test_settings_that_are_no_durations_or_numbers(self):
        for key, value, says in (("checkpoint.every", '"soon"', ["checkpoint.every", "'soon'"]), ("checkpoint.every", 10, ["'10'"]),
                                 ("checkpoint.every", -1, ["'-1'"]), ("checkpoint.keep", 0, ["checkpoint.keep"]),
                                 ("train.segment_steps", -1, ["train.segment_steps"])):
            with self.subTest(key=key, value=value):
                self.refuse(USAGE, "train", self.job("run", **{key: value}), says=says)

    def test_a_segment_longer_than_the_epoch_is_the_epoch(self):
        digests = {json.loads(self.succeed("train", "--json", self.job(name, **{"exchange.staleness": 1, "exchange.mode": '"rows"',
                                                                               "train.segment_steps": steps})))["parameter_digest"]
                   for name, steps in (("long", 1000000), ("default", 0))}
        self.assertEqual(len(digests), 1)


if __name__ == "__main__":
    support.main()
