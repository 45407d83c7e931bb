# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Situations that users meet: two programs on one folder, pipes, folders of others, names with signs, no locks."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import support
from support import ProgramTest

USAGE = 64

# Answers every flock() as a file system without locks does.
NO_LOCKS = """
#include <errno.h>
#include <fcntl.h>
int flock(int descriptor, int operation) { (void)descriptor; (void)operation; errno = ENOLCK; return -1; }
"""


class Situation(ProgramTest):
    def start(self, *words, **options):
        return subprocess.Popen([support.PROGRAM, *map(str, words)], cwd=self.folder, env=support.environment(),
                                stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, **options)

    def train_named(self, triples, test=None, *words):
        """A run of a graph whose training triples are these lines."""
        train = self.write("train.tsv", triples)
        self.succeed("import", "--train", train, "--test", self.write("test.tsv", test or triples), *words, "-o", "data.kg")
        self.succeed("partition", "data.kg", "--parts", 1)
        job = self.write_job(**{"data.parts": 1, "model.dim": 4, "train.epochs": 2, "validate.every": 0})
        self.succeed("train", job)


class TwoAtOnce(Situation):
    def test_a_second_training_is_refused(self):
        self.make_graph()
        job = self.write_job(**{"train.epochs": 60})
        both = [self.start("train", job, "--resume", "-q") for _ in range(2)]
        messages = [process.communicate(timeout=120)[1].decode() for process in both]
        codes = sorted(process.returncode for process in both)
        if codes == [0, 0]:
            self.skipTest("the first had ended before the second began")
        self.assertEqual(codes, [0, USAGE], messages)
        self.assertRegex("".join(messages), "run folder 'run' is in use: .* trains there")
        lines = (self.folder / "run" / "metrics.jsonl").read_text().splitlines()
        self.assertEqual([json.loads(line)["epoch"] for line in lines], list(range(1, 61)))
        self.assertEqual([name for name in self.names() if name.startswith(".")], [], "the lock is gone")
        self.succeed("info", "run")

    def test_evaluations_at_once_lose_no_line(self):
        self.make_graph()
        self.succeed("train", self.write_job())
        processes = [self.start("evaluate", "run", "--split", split, "--resamples", 0, "-q")
                     for split in ("train", "valid", "test")]
        for process in processes:
            self.assertEqual(process.wait(timeout=120), 0, process.stderr.read())
            process.stderr.close()
        listed = (self.folder / "run" / "checksums.xxh3").read_text()
        for split in ("train", "valid", "test"):
            self.assertIn(f"evaluation-{split}.h5", listed)

    def test_a_file_system_without_locks_costs_a_warning(self):
        if shutil.which("gcc") is None:
            self.skipTest("there is no C compiler")
        source = self.write("nolock.c", NO_LOCKS)
        library = self.folder / "nolock.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
        self.make_graph()
        job = self.write_job()
        for words in (("import", "data.kg.tsv", "-o", "b.kg"), ("info", "b.kg"), ("train", job), ("evaluate", "run")):
            done = self.run_program(*words, LD_PRELOAD=str(library))
            message = done.stderr.decode()
            self.assertEqual(done.returncode, 0, message)
            self.assertEqual("cannot be locked (No locks available)" in message, words[0] in ("train", "evaluate"), message)


class Folders(Situation):
    def test_figures_of_a_run_of_somebody_else(self):
        if os.getuid() != 0:
            self.skipTest("only root can become somebody else")
        self.make_graph()
        self.succeed("train", self.write_job())
        for path in (self.folder, *self.folder.rglob("*")):
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
        with tempfile.TemporaryDirectory() as elsewhere:
            os.chown(elsewhere, 65534, 65534)
            done = subprocess.run([support.PROGRAM, "evaluate", self.folder / "run", "--resamples", "0"], cwd=elsewhere,
                                  env=support.environment(), capture_output=True, user=65534, group=65534, extra_groups=[])
        if b"cannot open shared object" in done.stderr or done.returncode == 126:
            self.skipTest("the program cannot be run by others")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"realistic", done.stdout)
        self.assertIn(b"the figures are printed, the ranks are not stored", done.stderr)

    def test_words_for_keys_that_take_text(self):
        self.make_graph()
        job = self.write_job(**{"train.epochs": 1})
        for word in ("4711", "2024-05-01", "1_000", "1e3", "true", "[x]"):
            self.succeed("train", job, f"run.folder={word}")
            self.assertTrue((self.folder / word / "metrics.jsonl").exists(), word)
        self.refuse(USAGE, "train", self.write_job("other.toml", **{"run.folder": "4711"}), says=["double quotes"])

    def test_a_hangup_leaves_nothing(self):
        for name in ("TERM", "HUP"):
            process = self.start("import", "-", "-o", "data.kg", stdin=subprocess.PIPE)
            process.stdin.write(b"a\tr\tb\n")
            process.stdin.flush()
            deadline = time.monotonic() + 20
            while not list(self.folder.glob(".data.kg.tmp*")) and time.monotonic() < deadline:
                time.sleep(0.02)
            process.send_signal(getattr(signal, f"SIG{name}"))
            self.assertEqual(process.wait(timeout=20), -getattr(signal, f"SIG{name}"))
            process.stdin.close()
            process.stderr.close()
            self.assertEqual(self.names(), [], name)


class Names(Situation):
    def test_names_that_begin_with_a_hash(self):
        triples = "#tag\tr\ta\na\tr\tb\nb\tr\t#tag\nb\tr\ta\n"
        self.train_named(triples)
        queries = self.write("q.tsv", "# a comment\n#tag\tr\na\tr\n")
        self.assertEqual(len(self.succeed("predict", "run", "--queries", queries, "-k", 1, "--json").splitlines()), 2)
        lists = "".join(f"{line}\t{end}\ta\tb\n" for line in triples.splitlines() for end in ("tail", "head"))
        candidates = self.write("c.tsv", "# head\trelation\ttail\tend\tcandidates\n" + lists)
        self.succeed("evaluate", "run", "--candidates", candidates, "--resamples", 0)
        self.refuse(65, "predict", "run", "--queries", self.write("q.tsv", "# no\tr\n"), says=["a line with tabs is a query"])

    def test_inputs_from_pipes(self):
        triples = "a\tr\tb\nb\tr\tc\nc\tr\ta\n"
        self.train_named(triples)
        for name in ("-", "/dev/stdin"):
            out = self.succeed("predict", "run", "--queries", name, "-k", 1, "--json", stdin=b"a\tr\nb\tr\n")
            self.assertEqual(len(out.splitlines()), 2)
            lists = "".join(f"{line}\t{end}\ta\tb\n" for line in triples.splitlines() for end in ("tail", "head"))
            self.succeed("evaluate", "run", "--candidates", name, "--resamples", 0, stdin=lists.encode())
        self.refuse(66, "predict", "run", "--queries", "nowhere.tsv", says=["nowhere.tsv", "does not exist"])

    def test_a_relation_that_train_lacks_is_counted(self):
        self.train_named("a\tr\tb\nb\tr\tc\nc\tr\ta\n", "a\tq\tb\n", "--allow-unseen")
        out = self.succeed("evaluate", "run", "--resamples", 0)
        self.assertIn("1 triples have an entity or a relation that training never saw", out)


if __name__ == "__main__":
    support.main()
