# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Every kind of bad input is one clear message, the documented exit status, and nothing half-written."""

import gzip
import random
import shutil

import support
from support import ProgramTest

USAGE, BAD_DATA, MISSING, OVER_BUDGET = 64, 65, 66, 69


class BadCommandLine(ProgramTest):
    CASES = (("partition x --parts 0", ["--parts", "'0'", "from 1 to 1,048,576"]),
             ("partition x --parts -3", ["--parts", "'-3'", "from 1 to 1,048,576"]),
             ("partition x --parts 1.5", ["--parts", "'1.5'"]),
             ("partition x --parts 99999999999999999999", ["--parts"]),
             ("partition x --method metsi", ["--method", "did you mean 'metis'?", "auto, metis, stream, random"]),
             ("predict r --query a b -k 0", ["-k", "'0'", "at least 1"]),
             ("import x -o y --separator foo", ["--separator", "'foo'", "auto, comma, semicolon, space, tab"]),
             ("import x -o y --seed -1", ["--seed", "'-1'", "at least 0"]),
             ("evaluate r --epoch -1", ["--epoch", "'-1'", "at least 0"]),
             ("evaluate r --split all", ["--split", "'all'", "train, valid, test"]),
             ("evaluate r --bogus", ["--bogus", "'tessera evaluate --help'"]),
             ("foo", ["'foo' is not a command", "import, import-model, init, partition, plan, train"]),
             ("trian job.toml", ["'trian' is not a command", "did you mean 'train'?"]),
             ("", ["a command is missing", "import, import-model, init, partition, plan, train"]),
             ("partition", ["graph", "required", "'tessera partition --help'"]))

    def test_one_line_says_what_is_allowed(self):
        for words, says in self.CASES:
            with self.subTest(words=words):
                self.refuse(USAGE, *words.split(), says=says)
                self.assertEqual(len(self.run_program(*words.split()).stderr.splitlines()), 1)

    def test_one_rank_says_it(self):
        self.refuse(USAGE, "evaluate", "r", "--epoch", "-1", ranks=3, says=["--epoch"])
        self.assertEqual(self.succeed("train", "--help", ranks=3), self.succeed("train", "--help"))

    def test_help(self):
        for command in ("import", "partition", "train", "evaluate", "predict", "compare", "export", "info"):
            self.assertIn("Exit status: 0 done", self.succeed(command, "--help"))
        self.assertIn("--query '?' hypernym dog.n.01", self.succeed("predict", "--help"))


class BadImport(ProgramTest):
    def refuse_text(self, content, says, status=BAD_DATA, name="in.tsv", words=()):
        self.refuse(status, "import", self.write(name, content), *words, "-o", "data.kg", says=says)

    def test_missing_file(self):
        self.refuse(MISSING, "import", "nowhere.tsv", "-o", "data.kg", says=["nowhere.tsv"])

    def test_empty_file(self):
        self.refuse_text("", ["in.tsv"])

    def test_two_columns(self):
        self.refuse_text("a\tr\tb\nc\tr\n", ["in.tsv:2", "3", "2"])

    def test_four_columns(self):
        self.refuse_text("a\tr\tb\na\tr\tb\tc\n", ["in.tsv:2", "3", "4"])

    def test_invalid_utf8(self):
        self.refuse_text(b"a\tr\tb\na\tr\t\xff\xfe\n", ["in.tsv:2", "UTF-8"])

    def test_truncated_gzip(self):
        whole = gzip.compress(self.write_triples().read_bytes())
        self.refuse_text(whole[: len(whole) // 2], ["in.tsv.gz"], name="in.tsv.gz")

    def test_split_with_unknown_entities(self):
        train = self.write("train.tsv", "a\tr\tb\nb\tr\tc\n")
        valid = self.write("valid.tsv", "a\tr\tc\n")
        test = self.write("test.tsv", "a\tr\tstranger\n")
        self.refuse(BAD_DATA, "import", "--train", train, "--valid", valid, "--test", test, "-o", "data.kg",
                    says=["stranger", "test.tsv:1", "--allow-unseen"])

    def test_bad_lines_are_skipped_and_counted_on_request(self):
        text = self.write("in.tsv", "a\tr\tb\nbad\nb\tr\tc\na\tr\tc\n")
        out = self.succeed("import", text, "--skip-bad-lines", "--valid-fraction", "0", "--test-fraction", "0", "-o", "data.kg")
        self.assertRegex(out, r"bad lines skipped\s+1\b")

    def test_a_header_that_counts_as_a_triple(self):
        text = self.write("in.tsv", "Kopf\tKante\tEnde\n" + self.write_triples().read_text())
        parts = []
        for name in ("train", "valid", "test"):
            parts += [f"--{name}", self.write(f"{name}.tsv", text.read_text())]
        for words, warnings in (([text], 1), (parts, 3), ([text, "--header"], 0), (["triples.tsv"], 0)):
            with self.subTest(words=words):
                done = self.run_program("import", *words, "-o", "data.kg")
                message = done.stderr.decode()
                self.assertEqual(done.returncode, 0, message)
                self.assertEqual(message.count("import with --header"), warnings, message)
                self.assertEqual(message.count(":1: 'Kopf', 'Kante', 'Ende' occur nowhere else"), warnings, message)
                shutil.rmtree(self.folder / "data.kg")

    def test_folder_that_exists(self):
        self.make_graph()
        self.refuse(USAGE, "import", "data.kg.tsv", "-o", "data.kg", says=["data.kg", "exists"])
        self.refuse(USAGE, "partition", "data.kg", "--parts", 8, says=["parts-8", "exists"])

    def test_numbers_stay_strings(self):
        text = self.write("in.tsv", "007\t1\t08\n08\t1\t7\n7\t1\t007\n")
        self.succeed("import", text, "--valid-fraction", "0", "--test-fraction", "0", "-o", "data.kg")
        self.assertRegex(self.succeed("info", "data.kg"), r"entities\s+3\b")


class BadPartition(ProgramTest):
    def test_more_parts_than_entities(self):
        self.succeed("import", self.write_triples(), "-o", "data.kg")
        self.refuse(USAGE, "partition", "data.kg", "--parts", 61, says=["61", "60"])

    def test_no_graph(self):
        self.refuse(MISSING, "partition", "nowhere.kg", "--parts", 2, says=["nowhere.kg"])

    def test_damaged_graph(self):
        graph = self.make_graph() / "graph.h5"
        graph.write_bytes(graph.read_bytes()[:-100])
        self.refuse(BAD_DATA, "partition", "data.kg", "--parts", 2, says=["graph.h5"])


class BadJob(ProgramTest):
    def setUp(self):
        super().setUp()
        self.make_graph()

    def refuse_job(self, status, says, ranks=0, **keys):
        self.refuse(status, "train", self.write_job(**keys), says=says, ranks=ranks)

    def test_unknown_key_names_the_nearest(self):
        self.refuse_job(USAGE, ["model.dimm", "model.dim'"], **{"model.dimm": 3})

    def test_wrong_type(self):
        self.refuse_job(USAGE, ["train.epochs", "integer"], **{"train.epochs": '"many"'})

    def test_negative_number(self):
        self.refuse_job(USAGE, ["negatives.count", "-5"], **{"negatives.count": -5})

    def test_syntax_error(self):
        self.refuse(USAGE, "train", self.write("job.toml", "data.graph = \n"), says=["job.toml:1"])

    def test_missing_job_file(self):
        self.refuse(MISSING, "train", "nowhere.toml", says=["nowhere.toml"])

    def test_no_such_partition(self):
        self.refuse_job(MISSING, ["parts-5", "'tessera partition data.kg --parts 5' makes it"], **{"data.parts": 5})
        self.refuse_job(MISSING, ["graph 'nowhere.kg'", "tessera import"], **{"data.graph": '"nowhere.kg"'})

    def test_odd_dim_for_complex(self):
        self.refuse_job(USAGE, ["multiple of 2"], **{"model.dim": 15})

    def test_more_ranks_than_parts(self):
        self.succeed("partition", "data.kg", "--parts", 2)
        self.refuse_job(USAGE, ["3 ranks", "2 parts"], ranks=3, **{"data.parts": 2})

    def test_errors_are_said_once_by_many_ranks(self):
        self.refuse_job(USAGE, ["model.dimm"], ranks=3, **{"model.dimm": 3})

    def test_budget_too_small(self):
        for budget in ('"20KiB"', '"300KiB"', '"1"'):
            for ranks in (0, 2):
                with self.subTest(budget=budget, ranks=ranks):
                    self.refuse_job(OVER_BUDGET, ["budget"], ranks=ranks, **{"run.memory": budget})

    def test_a_device_that_this_program_cannot_use(self):
        for ranks in (0, 2):
            self.refuse_job(USAGE, ["built without CUDA"], ranks=ranks, **{"run.device": '"cuda"'})
        self.refuse_job(USAGE, ["run.device 'cuda' does not fit", "recompute"],
                        **{"run.device": '"cuda"', "exchange.scores": '"recompute"'})
        self.refuse_job(USAGE, ["run.device", "cpu, cuda"], **{"run.device": '"gpu"'})
        self.refuse_job(USAGE, ["exchange.transport", "nccl"], ranks=2,
                        **{"run.device": '"auto"', "exchange.transport": '"nccl"'})

    def test_formats_of_rows_and_states(self):
        for ranks in (0, 2):
            self.refuse_job(USAGE, ["run.rows 'fp16' does not fit average.decay"], ranks=ranks,
                            **{"run.rows": '"fp16"', "average.decay": 0.9})
        self.refuse_job(USAGE, ["optimiser.state 'log8' fits", "'adagrad', not 'adam'"],
                        **{"optimiser.state": '"log8"', "optimiser.name": '"adam"'})
        self.refuse_job(USAGE, ["run.rows", "fp32, bf16, fp16, int8"], **{"run.rows": '"int4"'})
        self.refuse_job(USAGE, ["memory.hot_rows"], **{"memory.hot_rows": 1.5})

    def test_run_folder_that_exists(self):
        job = self.write_job()
        self.succeed("train", job)
        self.refuse(USAGE, "train", job, says=["run", "--resume"])

    def test_loss_that_is_not_finite(self):
        done = self.run_program("train", self.write_job(**{"optimiser.learning_rate": 1e18}))
        self.assertEqual(done.returncode, BAD_DATA, done.stderr.decode())
        self.assertIn("step", done.stderr.decode())

    def test_rows_that_are_not_finite_are_not_saved(self):
        job = self.write_job(**{"optimiser.name": "'sgd'", "optimiser.learning_rate": 1e38, "model.init_scale": 1000,
                                "train.batch_size": 100000, "train.epochs": 1, "validate.every": 0})
        for ranks in (0, 3):
            with self.subTest(ranks=ranks):
                done = self.run_program("train", job, "--resume", ranks=ranks)
                self.assertEqual(done.returncode, BAD_DATA)
                for word in ("epoch 1", "not finite", "learning_rate"):
                    self.assertIn(word, done.stderr.decode())
                self.assertEqual(list((self.folder / "run" / "checkpoints").glob("epoch-*")), [])

    def test_settings_without_effect_are_named(self):
        done = self.run_program("train", self.write_job(**{"loss.margin": 3, "regulariser.name": "'n3'", "train.epochs": 1}))
        self.assertEqual(done.returncode, 0)
        for word in ("without effect", "loss.margin", "regulariser.name"):
            self.assertIn(word, done.stderr.decode())

    def test_names_that_do_not_exist(self):
        self.succeed("train", self.write_job())
        self.refuse(USAGE, "predict", "run", "--query", "e00", "r1", says=["e00", "e000"])
        self.refuse(USAGE, "predict", "run", "--query", "e000", "rr1", says=["rr1", "r1"])
        queries = self.write("queries.tsv", "e000\tr1\nnobody\tr1\n")
        self.refuse(BAD_DATA, "predict", "run", "--queries", queries, says=["queries.tsv:2", "nobody"])

    def test_output_that_cannot_be(self):
        self.succeed("train", self.write_job())
        for output, status, says in (("run", USAGE, "is a folder"), ("new/", USAGE, "is a folder"),
                                     ("nowhere/a.h5", MISSING, "'nowhere'")):
            done = self.refuse(status, "predict", "run", "--query", "nobody", "r1", "-o", output, says=[says], ranks=2)
            self.assertNotIn("nobody", done)  # before the names were looked up

    def test_evaluating_what_is_not_a_run(self):
        self.refuse(MISSING, "evaluate", "nowhere", says=["nowhere"])
        self.refuse(MISSING, "evaluate", "data.kg", says=["'data.kg' is a graph, not a run"])
        self.refuse(MISSING, "evaluate", self.folder, says=["not a run folder", "job.toml"])

    def test_a_device_for_ranking_that_this_program_cannot_use(self):
        self.succeed("train", self.write_job())
        for ranks in (0, 2):
            self.refuse(USAGE, "evaluate", "run", "run.device=cuda", ranks=ranks,
                        says=["built without CUDA", "run.device=cpu"])
            self.refuse(USAGE, "predict", "run", "run.device=cuda", "--query", "e000", "r1", ranks=ranks,
                        says=["built without CUDA", "run.device=cpu"])

    def test_candidates_that_cannot_be_used(self):
        self.succeed("train", self.write_job())
        self.refuse(MISSING, "evaluate", "run", "--candidates", "nowhere.tsv", says=["nowhere.tsv"])
        bad = self.write("bad.tsv", "e000\tr1\te007\ttail\te001\tnobody\n")
        for ranks in (0, 2):
            self.refuse(BAD_DATA, "evaluate", "run", "--candidates", bad, ranks=ranks, says=["bad.tsv:1", "nobody"])
        few = self.write("few.tsv", "e000\tr1\te007\ttail\te001\n")
        self.refuse(BAD_DATA, "evaluate", "run", "--candidates", few, ranks=2, says=["few.tsv", "no candidates for the"])
        self.refuse(USAGE, "evaluate", "run", "--check", "--candidates", few, says=["--candidates"])


class DamagedChunk(ProgramTest):
    def setUp(self):
        super().setUp()
        self.chunk = self.make_graph() / "parts-8" / "part-0003.h5"
        self.job = self.write_job()

    def test_truncated(self):
        whole = self.chunk.read_bytes()
        for size in (0, 1, 100, len(whole) // 2, len(whole) - 1):
            with self.subTest(size=size):
                self.chunk.write_bytes(whole[:size])
                self.refuse(BAD_DATA, "train", self.job, says=["part-0003.h5"])

    def test_one_bit_flipped(self):
        whole = self.chunk.read_bytes()
        draw = random.Random(7)
        for _ in range(30):
            damaged = bytearray(whole)
            damaged[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
            self.chunk.write_bytes(damaged)
            self.refuse(BAD_DATA, "train", self.job, says=["part-0003.h5"])

    def test_missing(self):
        self.chunk.unlink()
        self.refuse(MISSING, "train", self.job, says=["part-0003.h5"], ranks=2)

    def test_from_another_data_set(self):
        other = self.make_graph(name="other.kg", seed=2) / "parts-8" / "part-0003.h5"
        self.chunk.write_bytes(other.read_bytes())
        self.refuse(BAD_DATA, "train", self.job, says=["part-0003.h5", "another data set"])

    def test_partition_of_another_graph(self):
        other = self.make_graph(name="other.kg", seed=2) / "parts-8"
        for path in other.iterdir():
            (self.chunk.parent / path.name).write_bytes(path.read_bytes())
        self.refuse(BAD_DATA, "train", self.job, says=["another graph"])

    def test_damaged_checkpoint(self):
        self.succeed("train", self.job)
        checkpoint = sorted((self.folder / "run" / "checkpoints").iterdir())[-1] / "part-0002.h5"
        damaged = bytearray(checkpoint.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        checkpoint.write_bytes(damaged)
        done = self.run_program("info", "run")
        self.assertEqual(done.returncode, BAD_DATA)
        self.assertIn("part-0002.h5", done.stderr.decode())


if __name__ == "__main__":
    support.main()
