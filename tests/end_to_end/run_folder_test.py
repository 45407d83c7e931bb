# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""What a run folder goes through: continued, refused, damaged, moved."""

import json
import os
import shutil

import support
from support import ProgramTest

USAGE, BAD_DATA, MISSING, IO = 64, 65, 66, 74


class RunFolder(ProgramTest):
    def setUp(self):
        super().setUp()
        self.make_graph()
        self.job = self.write_job()

    def checkpoints(self, run="run"):
        return sorted((self.folder / run / "checkpoints").iterdir())

    def content(self, run="run"):
        return {path: path.read_bytes() for path in (self.folder / run).rglob("*") if path.is_file()}

    def damage(self, path, keep=None):
        whole = bytearray(path.read_bytes())
        whole[len(whole) // 2] ^= 1
        path.write_bytes(whole if keep is None else whole[:keep])


class Resume(RunFolder):
    def refuse_resume(self, status, *words, says):
        before = self.content()
        self.refuse(status, "train", self.job, "--resume", *words, says=says)
        self.assertEqual(self.content(), before, "a refused --resume changed the run")

    def test_another_job_is_refused_and_changes_nothing(self):
        self.succeed("train", self.job)
        for key, before, now in (("model.dim", "16", "32"), ("run.seed", "1", "2"), ("train.batch_size", "128", "64"),
                                 ("optimiser.learning_rate", "0.1", "0.2"), ("negatives.scope", "'global'", "part"),
                                 ("data.parts", "8", "4")):
            with self.subTest(key=key):
                if key == "data.parts":
                    self.succeed("partition", "data.kg", "--parts", 4)
                self.refuse_resume(USAGE, f"{key}={now}", says=[key, before, now])
        self.succeed("evaluate", "run")

    def test_what_may_change(self):
        self.succeed("train", self.job, "train.epochs=2")
        self.succeed("train", self.job, "--resume", "run.threads=2", "run.memory=300MiB", "run.watchdog_seconds=30",
                     "validate.every=1", "validate.max_triples=10", "expect.mrr=0.01")

    def test_another_graph_is_refused(self):
        self.succeed("train", self.job)
        self.make_graph(name="other.kg", seed=2)
        self.refuse_resume(USAGE, "data.graph=other.kg", says=["another graph"])

    def test_another_partition_into_as_many_parts_is_refused(self):
        self.succeed("train", self.job)
        shutil.rmtree(self.folder / "data.kg" / "parts-8")
        self.succeed("partition", "data.kg", "--parts", 8, "--method", "random", "--seed", 5)
        for command in (("evaluate", "run"), ("export", "run", "-o", "model")):
            with self.subTest(command=command):
                self.refuse(USAGE, *command, says=["another partition", "random", "seed 5"])
        self.refuse_resume(USAGE, "train.epochs=9", says=["another partition"])

    def test_fewer_epochs_than_done(self):
        self.succeed("train", self.job)
        self.refuse_resume(USAGE, "train.epochs=3", says=["4 epochs", "train.epochs is 3"])

    def test_no_epochs_keep_the_initial_model(self):
        self.succeed("train", self.job, "train.epochs=0")
        self.assertIn("epoch-000000", self.checkpoints()[0].name)
        self.succeed("evaluate", "run")
        self.succeed("evaluate", "run", "--epoch", 0)
        self.refuse(MISSING, "evaluate", "run", "--epoch", 99, ranks=2, says=["after epoch 99", "it has: "])
        whole = self.write_job("whole.toml", **{"run.folder": '"whole"'})
        expected = json.loads(self.succeed("train", "--json", whole))["parameter_digest"]
        resumed = json.loads(self.succeed("train", "--json", "--resume", self.job, ranks=2))["parameter_digest"]
        self.assertEqual(resumed, expected)

    def test_a_finished_run_says_what_it_said(self):
        first = self.succeed("train", self.job)
        self.assertEqual(self.succeed("train", self.job, "--resume", ranks=2), first)
        self.assertIn("loss", first)

    def test_what_an_interrupted_save_left_is_removed(self):
        self.succeed("train", self.job, "train.epochs=2")
        stale = self.folder / "run" / "checkpoints" / ".epoch-000004.tmp"
        stale.mkdir()
        (stale / "part-0000.h5").write_bytes(b"half")
        self.succeed("train", self.job, "--resume", "train.epochs=3")
        self.assertFalse(stale.exists())


class Damage(RunFolder):
    def setUp(self):
        super().setUp()
        self.job = self.write_job(**{"validate.every": 1, "train.epochs": 4, "optimiser.learning_rate": 0.5})
        self.expected = json.loads(self.succeed("train", "--json", self.job))
        self.succeed("train", "--json", self.job, "--resume", "train.epochs=5", "validate.every=0")
        # now the best one by validation and one of epoch 5, which is no better for all that is known
        self.newest = self.checkpoints()[-1]
        self.assertEqual([path.name for path in self.checkpoints()],
                         [f"epoch-{self.expected['best_epoch']:06}", "epoch-000005"])

    def spoil_newest(self, way):
        if way == "part":
            self.damage(self.newest / "part-0003.h5")
        elif way == "manifest":
            self.damage(self.newest / "manifest.h5", keep=100)
        else:
            (self.newest / "part-0005.h5").unlink()

    def test_the_newest_sound_one_is_continued(self):
        expected = json.loads(self.succeed("train", "--json", self.job, "run.folder=whole", "train.epochs=6"))
        whole = self.content("run")
        for way, name, ranks in (("part", "part-0003.h5", 0), ("manifest", "manifest.h5", 2),
                                 ("missing", "part-0005.h5", 3)):
            with self.subTest(way=way):
                for path, content in whole.items():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
                self.spoil_newest(way)
                done = self.run_program("train", "--json", self.job, "--resume", "train.epochs=6", ranks=ranks)
                message = done.stderr.decode()
                self.assertEqual(done.returncode, 0, message)
                self.assertIn(f"{self.newest.name}/{name}", message)
                self.assertEqual(message.count("warning: "), 1, message)
                self.assertEqual(json.loads(done.stdout)["parameter_digest"], expected["parameter_digest"])
                shutil.rmtree(self.folder / "run")

    def test_another_epoch_than_the_best_is_used_on_request_alone(self):
        best = self.expected["best_epoch"]
        whole = self.content()
        self.spoil_newest("part")  # the best one is not touched
        done = self.run_program("evaluate", "run", ranks=2)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"checkpoint after epoch {best} ", done.stderr.decode())
        self.assertIn(f"model after epoch {best}\n", done.stdout.decode())
        self.refuse(BAD_DATA, "evaluate", "run", "--epoch", 5, says=["part-0003.h5"])
        self.spoil_newest("manifest")  # which one is the best?
        self.refuse(BAD_DATA, "evaluate", "run", says=["manifest.h5", "after epoch 5 is damaged", f"Whole: after epoch {best};"])
        for path, content in whole.items():
            path.write_bytes(content)
        self.damage(self.checkpoints()[0] / "part-0000.h5")
        for words in (["evaluate", "run"], ["predict", "run", "--query", "e000", "r1"], ["export", "run", "-o", "model"]):
            for ranks in (0, 2) if words[0] != "export" else (0,):
                self.refuse(BAD_DATA, *words, ranks=ranks, says=[f"after epoch {best} is damaged", "part-0000.h5",
                                                                 "Whole: after epoch 5;", "--epoch"])
        self.assertEqual(json.loads(self.succeed("evaluate", "run", "--epoch", 5, "--json"))["epoch"], 5)

    def test_without_a_sound_one_it_is_refused(self):
        for checkpoint in self.checkpoints():
            self.damage(checkpoint / "part-0001.h5")
        before = self.content()
        for words in (["train", self.job, "--resume", "train.epochs=6"], ["evaluate", "run"]):
            self.refuse(BAD_DATA, *words, says=["no checkpoint", "part-0001.h5"])
        self.assertEqual(self.content(), before)


class Owner(RunFolder):
    def test_a_lock_file_that_is_garbage(self):
        self.write(".run.training", b"\0\xff garbage")
        self.refuse(BAD_DATA, "train", self.job, says=[".run.training", "remove it if no training uses run folder 'run'"])

    def test_the_lock_of_a_host_that_is_gone(self):
        self.write(".run.training", "process 7 on elsewhere, job 5, since long ago\nkernel other\nbeat 00000000000000000003\n")
        done = self.run_program("train", self.job)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("left locked by process 7 on elsewhere, job 5", done.stderr.decode())
        self.assertIn("no sign of life", done.stderr.decode())

    def test_readers_need_no_lock(self):
        self.succeed("train", self.job)
        self.write(".run.training", b"garbage")
        for words in (["evaluate", "run"], ["predict", "run", "--query", "e000", "r1"], ["info", "run"]):
            self.succeed(*words)

    def test_a_folder_on_which_nothing_can_be_written(self):
        for keys in ({"run.folder": '"/proc/run"'}, {"memory.folder": '"/proc/rows"', "memory.resident_parts": 4}):
            self.refuse(IO, "train", self.write_job("nowhere.toml", **keys), says=["nothing can be written in '/proc'"])

    def test_tasks_that_do_not_know_each_other(self):
        for tasks, task, by in (("SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "srun"), ("PMI_SIZE", "PMI_RANK", "mpiexec")):
            others = {tasks: "3", task: "0"}
            if by == "mpiexec" and b"MPICH" in self.run_program("--version").stdout:
                continue  # there it is the launcher's own
            self.refuse(USAGE, "train", self.job, says=[f"{by} started 3 tasks", "--mpi=pmix", "TESSERA_ALONE=1"], **others)
            done = self.run_program("train", self.job, **{**others, task: "2"})
            self.assertEqual((done.returncode, done.stderr), (USAGE, b""))
        self.succeed("info", "data.kg", SLURM_STEP_NUM_TASKS="3", SLURM_PROCID="1", TESSERA_ALONE="1")


class Elsewhere(RunFolder):
    """A run is used from another working folder than where it was trained, or after it moved."""

    def setUp(self):
        super().setUp()
        self.succeed("train", self.job)
        self.expected = self.rank("run")
        self.home = self.folder

    def rank(self, *words):
        return json.loads(self.succeed("evaluate", "--json", *words))["rank_digest"]

    def leave(self):
        self.folder = self.home / "elsewhere"
        self.folder.mkdir()

    def test_from_another_folder(self):
        self.leave()
        self.assertEqual(self.rank("../run"), self.expected)
        self.assertEqual(self.rank(self.home / "run"), self.expected)
        self.succeed("predict", "../run", "--query", "e000", "r1")

    def test_a_run_that_moved(self):
        (self.home / "run").rename(self.home / "moved")
        self.assertEqual(self.rank("moved"), self.expected)

    def test_a_graph_that_moved(self):
        (self.home / "data.kg").rename(self.home / "moved.kg")
        self.refuse(MISSING, "evaluate", "run", says=[str(self.home / "data.kg"), "data.graph="], ranks=2)
        self.assertEqual(self.rank("run", "data.graph=moved.kg"), self.expected)
        self.succeed("predict", "run", "data.graph=moved.kg", "--query", "e000", "r1")
        self.leave()
        self.assertEqual(self.rank("../run", "data.graph=../moved.kg"), self.expected)

    def test_a_job_file_only_names_the_run(self):
        self.write_job(**{"model.dim": 64, "data.parts": 3, "data.graph": '"other.kg"'})
        self.assertEqual(self.rank(self.job), self.expected)

    def test_a_path_that_is_not_utf8_is_refused(self):
        self.refuse(USAGE, "train", self.job, os.fsencode("run.folder=na\udcefve"), says=["not UTF-8"])

    def test_continued_from_another_folder(self):
        self.leave()
        self.succeed("train", "../run/job.toml", "--resume", "train.epochs=5")
        self.assertEqual(self.names(), [])
        self.assertEqual(json.loads(self.succeed("info", "--json", "../run"))["metrics"]["epochs"], 5)


class NoValidationSplit(ProgramTest):
    def setUp(self):
        super().setUp()
        self.succeed("import", self.write_triples(), "--valid-fraction", 0, "--test-fraction", 0, "-o", "data.kg")
        self.succeed("partition", "data.kg", "--parts", 8)
        self.job = self.write_job()

    def test_stopping_by_it_is_refused(self):
        for ranks in (0, 2):
            self.refuse(USAGE, "train", self.job, "validate.patience=2", ranks=ranks,
                        says=["validate.patience", "no validation triples", "patience=0"])
        self.refuse(USAGE, "train", self.job, "schedule.name=plateau", says=["plateau", "no validation triples"])

    def test_it_is_said_once_and_nothing_is_recorded(self):
        done = self.run_program("train", "--json", self.job, ranks=2)
        message = done.stderr.decode()
        self.assertEqual(done.returncode, 0, message)
        self.assertEqual(message.count("no validation triples"), 1, message)
        self.assertNotIn("MRR", message)
        self.assertEqual(json.loads(done.stdout)["best_epoch"], 0)
        self.assertNotIn("validation_mrr", (self.folder / "run" / "metrics.jsonl").read_text())
        self.assertNotIn("best validation MRR", json.loads(self.succeed("info", "--json", "run"))["metrics"])


if __name__ == "__main__":
    support.main()
