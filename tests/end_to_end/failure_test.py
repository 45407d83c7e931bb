# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""When a rank fails, is killed or hangs, the job ends soon, says why, and a later one continues to the same bits."""

import json
import shutil
import signal
import time

import support
from support import ProgramTest

INTERNAL, STOPPED = 70, 75


class Failure(ProgramTest):
    def setUp(self):
        super().setUp()
        self.make_graph()
        self.job = self.write_job(**{"train.epochs": 8, "run.watchdog_seconds": 5})

    def expected(self):
        other = self.write_job("expected.toml", **{"train.epochs": 8, "run.folder": '"expected"'})
        return json.loads(self.succeed("train", "--json", other))["parameter_digest"]

    def fail(self, fault, within_seconds):
        start = time.monotonic()
        done = self.run_program("train", self.job, ranks=3, TESSERA_FAULT=fault, timeout=60)
        self.assertLess(time.monotonic() - start, within_seconds)
        self.assertNotEqual(done.returncode, 0)
        return done

    def resume(self, ranks):
        return json.loads(self.succeed("train", "--json", "--resume", self.job, "run.watchdog_seconds=60", ranks=ranks))["parameter_digest"]

    def test_one_rank_throws(self):
        done = self.fail("train.step:1:20:throw", within_seconds=15)
        self.assertEqual(done.returncode, INTERNAL)
        message = done.stderr.decode()
        self.assertIn("rank 1", message)
        self.assertIn("fault on request", message)
        self.assertEqual(self.resume(2), self.expected())

    def test_metrics_that_cannot_be_written(self):
        done = self.fail("metrics.append:0:3:throw", within_seconds=15)
        self.assertEqual(done.returncode, INTERNAL)
        message = done.stderr.decode()
        self.assertIn("tessera: fault on request at 'metrics.append'", message)
        self.assertNotIn("MPI_ABORT", message)  # all ranks ended together
        self.assertEqual(self.resume(2), self.expected())

    def test_one_rank_is_killed(self):
        self.fail("train.step:2:30:kill", within_seconds=15)
        self.assertEqual(self.resume(4), self.expected())

    def test_one_rank_hangs(self):
        for rank in (0, 2):
            with self.subTest(rank=rank):
                message = self.fail(f"train.step:{rank}:20:stop", within_seconds=40).stderr.decode()
                self.assertEqual(message.count("tessera: "), 1, message)
                self.assertIn("waited 5 s", message)
                shutil.rmtree(self.folder / "run")

    def test_killed_while_saving(self):
        expected = self.expected()
        for fault in ("checkpoint.part:1:4:kill", "checkpoint.rename:0:2:kill"):
            with self.subTest(fault=fault):
                self.fail(fault, within_seconds=15)
                self.succeed("info", "run")
                self.assertEqual(self.resume(2), expected)
                shutil.rmtree(self.folder / "run")

    def test_a_checkpoint_that_cannot_be_written(self):
        expected = self.expected()
        for background in ("true", "false"):
            with self.subTest(background=background):
                self.write_job(**{"train.epochs": 8, "run.watchdog_seconds": 5, "checkpoint.background": background})
                done = self.fail("checkpoint.part:1:4:throw", within_seconds=15)
                self.assertEqual(done.returncode, INTERNAL)
                message = done.stderr.decode()
                self.assertEqual(message.count("fault on request at 'checkpoint.part'"), 1, message)
                self.assertNotIn("MPI_ABORT", message)
                self.assertEqual([path.name for path in (self.folder / "run" / "checkpoints").iterdir()], ["epoch-000002"])
                self.assertEqual(self.resume(2), expected)
                shutil.rmtree(self.folder / "run")

    def test_a_stop_waits_for_the_checkpoint(self):
        often = ("checkpoint.every=0.000001s", "train.segment_steps=2")
        for ranks in (1, 3):
            done = self.run_program("train", self.job, "--resume", *often, ranks=ranks, TESSERA_FAULT="train.step:0:9:signal")
            self.assertEqual(done.returncode, STOPPED, done.stderr.decode())
            names = [path.name for path in (self.folder / "run" / "checkpoints").iterdir()]
            self.assertTrue(all(name.startswith("epoch-") for name in names) and names, names)
        done = self.run_program("train", "--json", "--resume", self.job, *often)
        self.assertEqual(json.loads(done.stdout)["parameter_digest"], self.expected())

    def test_asked_to_stop(self):
        done = self.run_program("train", self.job, ranks=2, TESSERA_FAULT="train.step:1:10:signal")
        self.assertEqual(done.returncode, STOPPED, done.stderr.decode())
        self.assertIn("--resume", done.stderr.decode())
        self.assertEqual(self.resume(3), self.expected())


class Interrupted(ProgramTest):
    """SIGINT and SIGTERM leave nothing that is half written; what SIGKILL leaves is gone after the next time."""

    def end(self, words, fault, signal):
        done = self.run_program(*words, TESSERA_FAULT=fault)
        self.assertEqual(done.returncode, -signal, done.stderr.decode())

    def check(self, words, nth, makes):
        for action, number in (("terminate", signal.SIGTERM), ("interrupt", signal.SIGINT)):
            with self.subTest(words=words, action=action):
                before = self.names()
                self.end(words, f"atomic.commit:0:{nth}:{action}", number)
                self.assertEqual(self.names(), before)
        self.end(words, f"atomic.commit:0:{nth}:kill", signal.SIGKILL)
        self.assertNotEqual(self.names(), before)
        self.succeed(*words)
        self.assertTrue((self.folder / makes).exists())
        self.assertEqual([name for name in self.names() if ".tmp" in name], [])

    def test_every_command_that_writes(self):
        self.check(["import", self.write_triples(), "-o", "data.kg"], 2, "data.kg")
        self.check(["partition", "data.kg", "--parts", 8], 2, "data.kg/parts-8")
        self.succeed("train", self.write_job())
        self.check(["evaluate", "run"], 1, "run/evaluation-test.h5")
        self.check(["predict", "run", "--query", "e000", "r1", "-o", "answers.h5"], 1, "answers.h5")

    def test_while_saving(self):
        self.make_graph()
        self.end(["train", self.write_job()], "checkpoint.rename:0:2:hangup", signal.SIGHUP)
        self.assertEqual([name for name in self.names() if ".tmp" in name], [])
        self.succeed("train", "job.toml", "--resume")

    def test_the_first_ctrl_c_saves_and_the_second_ends(self):
        self.make_graph()
        digest = json.loads(self.succeed("train", "--json", self.write_job(**{"run.folder": '"whole"'})))["parameter_digest"]
        job = self.write_job(**{"train.segment_steps": 2})
        done = self.run_program("train", job, TESSERA_FAULT="train.step:0:3:press")
        self.assertEqual(done.returncode, STOPPED, done.stderr.decode())
        self.assertIn("Ctrl-C", done.stderr.decode())
        self.assertIn("continue with --resume", done.stderr.decode())
        self.assertEqual(json.loads(self.succeed("train", "--json", job, "--resume"))["parameter_digest"], digest)
        shutil.rmtree(self.folder / "run")
        done = self.run_program("train", job, TESSERA_FAULT="train.step:0:3:press-twice")
        self.assertEqual(done.returncode, -signal.SIGINT, done.stderr.decode())
        self.assertEqual([name for name in self.names() if ".tmp" in name], [])


if __name__ == "__main__":
    support.main()
