# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Exported models and sums of models, with the real program."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import support
from support import ProgramTest

try:
    import h5py
    import numpy as np
except ImportError:
    np = None

ROOT = Path(__file__).resolve().parent.parent
USAGE, BAD_DATA, MISSING = 64, 65, 66


class ExportTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.make_graph()

    def train(self, name, **keys):
        self.succeed("train", self.write_job(f"{name}.toml", **{"run.folder": f'"{name}"', **keys}))

    def evaluate(self, *words, ranks=0):
        result = json.loads(self.succeed("evaluate", "--json", *words, ranks=ranks))
        result.pop("seconds")
        return result

    def need_numpy(self):
        if np is None:
            self.skipTest("numpy or h5py is missing")
        sys.path.insert(0, str(ROOT / "evaluate"))
        import oracle  # noqa: E402  (needs numpy)
        return oracle

    def expect_oracle_agrees(self, folder):
        done = subprocess.run([sys.executable, ROOT / "evaluate" / "oracle.py", "--graph", "data.kg", "--parts", "8", "--run", folder],
                              cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(" 0 wrong", done.stdout)


class OneModel(ExportTest):
    def test_is_read_like_the_run(self):
        for name in ("complex", "transe_l1", "rotate", "rescal", "cp", "tucker"):
            with self.subTest(model=name):
                self.train(name, **{"model.name": f'"{name}"', "model.relation_dim": 6 if name == "tucker" else 0})
                self.succeed("export", name, "-o", f"{name}-model")
                expected = self.evaluate(name)
                self.assertEqual(self.evaluate(f"{name}-model"), expected)
                self.assertEqual(self.evaluate(f"{name}-model", ranks=3), expected)
                query = ["--query", "e000", "r1", "--json"]
                self.assertEqual(self.succeed("predict", f"{name}-model", *query, ranks=2), self.succeed("predict", name, *query))

    def test_serves_the_average(self):
        self.train("run", **{"average.decay": 0.8})
        self.succeed("export", "run", "-o", "model")
        self.assertEqual(self.evaluate("model"), self.evaluate("run"))

    def test_is_ranked_with_any_partition(self):
        self.train("run")
        self.succeed("partition", "data.kg", "--parts", 3)
        self.succeed("export", "run", "-o", "model")
        mrr = self.evaluate("run")["mrr"]
        self.assertAlmostEqual(self.evaluate("model", "data.parts=3", ranks=2)["mrr"], mrr, places=6)

    def test_another_epoch_of_the_run(self):
        self.train("run")
        self.succeed("export", "run", "--epoch", 4, "-o", "model")
        self.assertEqual(self.evaluate("model"), self.evaluate("run", "--epoch", 4))
        self.refuse(USAGE, "evaluate", "model", "--epoch", 4, says=["'model'", "exported", "--epoch"], ranks=2)
        self.refuse(MISSING, "export", "run", "--epoch", 3, "-o", "other", says=["after epoch 3", "it has: "])

    def test_of_an_exported_model(self):
        self.train("run")
        self.succeed("export", "run", "-o", "model")
        self.succeed("export", "model", "-o", "again")
        self.assertEqual(self.evaluate("again"), self.evaluate("run"))

    def test_info(self):
        self.train("run")
        said = json.loads(self.succeed("export", "run.toml", "-o", "model", "--json"))
        self.assertEqual((said["model"], said["dim"], said["entities"], said["relations"]), ("complex", 16, 60, 4))
        self.evaluate("model")
        info = json.loads(self.succeed("info", "--json", "model"))
        self.assertEqual((info["what"], info["model"], info["dim"]), ("exported model", "complex", 16))
        self.assertIn("run, epoch", info["members"][0])
        self.assertIn("MRR", info["results"]["evaluation-test.h5"])
        self.assertEqual(json.loads(self.succeed("info", "--json", "model/model.h5"))["what"], "model")
        self.assertEqual(json.loads(self.succeed("info", "--json", "model/job.toml"))["dim"], 16)

    def test_rows_and_names_in_order_of_the_ids(self):
        oracle = self.need_numpy()
        self.train("run")
        self.succeed("export", "run", "-o", "model")
        with h5py.File(self.folder / "model" / "model.h5") as file:
            rows, relations = file["entities/rows"][:], file["relations/rows"][:]
            names = {}
            for group in ("entities", "relations"):
                raw, at = file[f"{group}/name_bytes"][:].tobytes(), file[f"{group}/name_offsets"][:]
                names[group] = [raw[a:b].decode() for a, b in zip(at, at[1:])]
            member = dict(file["members/000000"].attrs)
            epoch = int(file.attrs["epoch"])
        files = oracle.Files(self.folder / "data.kg", 8, self.folder / "run" / "checkpoints" / f"epoch-{epoch:06}")
        np.testing.assert_array_equal(rows, files.entities)
        np.testing.assert_array_equal(relations, files.relations)
        self.assertEqual(names["entities"], sorted(names["entities"]))
        self.assertEqual((len(names["entities"]), names["entities"][7]), (60, "e007"))
        self.assertEqual(names["relations"], ["r0", "r1", "r2", "r3"])
        self.assertEqual(oracle.text(member["run"]), str(self.folder / "run"))
        self.assertIn("dim = 16", oracle.text(member["job"]))
        self.expect_oracle_agrees_after_evaluation("model")

    def expect_oracle_agrees_after_evaluation(self, folder):
        self.evaluate(folder, ranks=2)
        self.expect_oracle_agrees(folder)

    def test_formats_for_other_programs(self):
        self.need_numpy()
        self.train("run", **{"model.name": '"tucker"', "model.relation_dim": 6})
        for name in ("hdf5", "npy", "tsv", "safetensors"):
            self.succeed("export", "run", "-o", name, "--format", name)
        with h5py.File(self.folder / "hdf5" / "model.h5") as file:
            entities, relations, core = file["entities/rows"][:], file["relations/rows"][:], file["core/rows"][:]
        self.assertEqual((relations.shape, core.shape), ((8, 6), (6, 256)))
        np.testing.assert_array_equal(np.load(self.folder / "npy" / "core.npy"), core)
        np.testing.assert_array_equal(np.loadtxt(self.folder / "tsv" / "core.tsv", np.float32)[:, 1:], core)
        np.testing.assert_array_equal(np.load(self.folder / "npy" / "entities.npy"), entities)
        np.testing.assert_array_equal(np.load(self.folder / "npy" / "relations.npy"), relations)
        for name in ("npy", "safetensors"):
            self.assertEqual((self.folder / name / "entities.tsv").read_text().splitlines()[59], "e059")
            self.assertEqual((self.folder / name / "relations.tsv").read_text().splitlines()[5], "r1\thead")
            self.assertEqual(json.loads((self.folder / name / "model.json").read_text())["model"], "tucker")
        lines = [line.split("\t") for line in (self.folder / "tsv" / "entities.tsv").read_text().splitlines()]
        self.assertEqual([line[0] for line in lines], [f"e{i:03}" for i in range(60)])
        np.testing.assert_array_equal(np.array([line[1:] for line in lines], np.float32), entities)
        lines = [line.split("\t") for line in (self.folder / "tsv" / "relations.tsv").read_text().splitlines()]
        self.assertEqual([line[:2] for line in lines][3:5], [["r3", "tail"], ["r0", "head"]])
        np.testing.assert_array_equal(np.array([line[2:] for line in lines], np.float32), relations)
        raw = (self.folder / "safetensors" / "model.safetensors").read_bytes()
        length = int.from_bytes(raw[:8], "little")
        header = json.loads(raw[8 : 8 + length])
        for tensor, expected in (("entities", entities), ("relations", relations), ("core", core)):
            first, last = header[tensor]["data_offsets"]
            values = np.frombuffer(raw[8 + length + first : 8 + length + last], "<f4").reshape(header[tensor]["shape"])
            np.testing.assert_array_equal(values, expected)
        self.assertEqual(length % 8, 0)
        self.succeed("info", "npy/checksums.xxh3")

    def test_names_with_tabs(self):
        self.succeed("import", self.write("spaces.txt", "a\\b r c\nc r d\nd r a\\b\na\\b r d\n"), "--separator", "space", "-o", "odd.kg",
                     "--valid-fraction", "0", "--test-fraction", "0")
        self.succeed("partition", "odd.kg", "--parts", 1)
        self.train("odd", **{"data.graph": '"odd.kg"', "data.parts": 1})
        self.succeed("export", "odd", "-o", "tsv", "--format", "tsv")
        self.assertTrue((self.folder / "tsv" / "entities.tsv").read_text().startswith("a\\\\b\t"))


class SmallRows(ExportTest):
    """Rows of few bits: what is ranked is what is stored, exactly."""

    FORMATS = {"bf16": 32, "fp16": 32, "int8": 18, "int4": 10}  # and bytes of a row of 16 numbers

    def test_ranks_are_those_of_the_stored_rows(self):
        oracle = self.need_numpy()
        for name, dim in (("complex", 70), ("transe_l1", 33)):
            self.train(name, **{"model.name": f'"{name}"', "model.dim": dim, "model.init_scale": 0.5})
            for rows in self.FORMATS:
                with self.subTest(model=name, rows=rows):
                    folder = f"{name}-{rows}"
                    self.succeed("export", name, "-o", folder, "--rows", rows)
                    expected = self.evaluate(folder)
                    for ranks in (2, 3):
                        self.assertEqual(self.evaluate(folder, "run.threads=2", ranks=ranks), expected)
                    self.expect_oracle_agrees(folder)
                    self.succeed("export", folder, "-o", f"{folder}-fp32")
                    self.assertEqual(self.evaluate(f"{folder}-fp32"), expected)
                    exported = oracle.Files(self.folder / "data.kg", 8, self.folder / f"{folder}-fp32").entities
                    np.testing.assert_array_equal(exported, oracle.Files(self.folder / "data.kg", 8, self.folder / folder).entities)
                    query = ["--query", "e000", "r1", "-k", "60", "--json"]
                    answers = self.succeed("predict", folder, *query)
                    self.assertEqual(self.succeed("predict", folder, *query, ranks=3), answers)
                    self.assertEqual(self.succeed("predict", f"{folder}-fp32", *query), answers)

    def test_bytes_and_what_is_said(self):
        self.train("run")
        for rows, bytes_ in self.FORMATS.items():
            said = self.succeed("export", "run", "-o", rows, "--rows", rows)
            self.assertIn(f"rows        {rows}, {bytes_} B each", said)
            stored = {"int8": "int8_groups", "int4": "int4_groups"}.get(rows, rows)
            self.assertEqual(json.loads(self.succeed("info", "--json", rows))["rows"], stored)
        self.succeed("export", "int4", "run", "-o", "sum", "--rows", "int8")
        self.evaluate("sum", ranks=2)

    def test_threads_change_no_byte(self):
        self.need_numpy()
        self.succeed("import", self.write_triples("large.tsv", entities=5000, count=9000), "-o", "large.kg")
        self.succeed("partition", "large.kg", "--parts", 8)
        self.train("run", **{"data.graph": '"large.kg"', "train.epochs": 1})
        for threads in (1, 3):
            self.succeed("export", "run", "-o", f"by-{threads}", "--rows", "int4", f"run.threads={threads}")
        rows = []
        for threads in (1, 3):
            with h5py.File(self.folder / f"by-{threads}" / "model.h5") as file:
                rows.append(file["entities/rows"][:])
        np.testing.assert_array_equal(rows[0], rows[1])

    def test_memory_is_that_of_the_stored_rows(self):
        self.train("run", **{"model.dim": 512})
        self.succeed("export", "run", "-o", "model", "--rows", "int4")
        for planned in (self.succeed("plan", "run.toml", "--rows", "int4", "--json"),
                        self.succeed("plan", "model/job.toml", "--json")):
            stages = json.loads(planned)["stages"]
            for stage in ("evaluate", "predict"):
                self.assertLess(abs(stages[stage]["by_purpose"]["rows"] - 60 * (256 + 32) - 8 * 512 * 4), 8 * 64)
        self.assertIn("rows in int4_groups", self.succeed("plan", "run.toml", "--rows", "int4"))

    def test_rows_that_are_not_sound(self):
        self.need_numpy()
        self.train("run")
        self.succeed("export", "run", "-o", "good", "--rows", "int8")

        def forge(name, change):
            shutil.copytree(self.folder / "good", self.folder / name)
            path = self.folder / name / "model.h5"
            with h5py.File(path, "r+") as file:
                change(file)
            self.vouch(path)
            for command in (("evaluate", name), ("export", name, "-o", f"{name}-again", "--rows", "int4"),
                            ("predict", name, "--query", "e000", "r1")):
                yield command

        def infinite(file):
            rows = file["entities/rows"][:]
            rows[7, :2] = (0x80, 0x7F)
            file["entities/rows"][...] = rows

        def narrow(file):
            rows = file["entities/rows"][:, 1:]
            del file["entities/rows"]
            file["entities/rows"] = rows

        def named(format_name):
            return lambda file: file.attrs.__setitem__("row_format", np.bytes_(format_name))

        for name, change, says in (("infinite", infinite, ["model.h5", "row 7", "not finite"]),
                                   ("narrow", narrow, ["model.h5", "/entities/rows"]),
                                   ("unknown", named("int2"), ["'int2'"]), ("other", named("int4_groups"), ["/entities/rows"]),
                                   ("hot", named("int8"), ["model.h5", "int8"]), ("wide", named("fp32"), ["model.h5"]),
                                   ("dim", lambda file: file.attrs.__setitem__("dim", np.uint64(1 << 60)), ["model.h5"])):
            for command in forge(name, change):
                with self.subTest(fault=name, command=command[0]):
                    self.refuse(BAD_DATA, *command, says=says)

    def test_command_lines(self):
        self.train("run")
        self.refuse(USAGE, "export", "run", "-o", "x", "--rows", "int3", says=["'int3'", "int8"])
        self.refuse(USAGE, "export", "run", "-o", "x", "--rows", "int8", "--format", "npy", says=["--rows int8", "--format hdf5"])
        self.refuse(USAGE, "plan", "run.toml", "--rows", "int3", says=["'int3'"])


class SumOfModels(ExportTest):
    def test_scores_and_ranks_are_those_of_the_sum(self):
        """Members differ in dim, seed, partition and in whether they keep an average."""
        oracle = self.need_numpy()
        self.succeed("partition", "data.kg", "--parts", 3)
        for name in ("complex", "distmult", "cp"):
            with self.subTest(model=name):
                keys = {"model.name": f'"{name}"', "model.init_scale": 0.5}
                self.train(f"{name}-a", **keys)
                self.train(f"{name}-b", **keys, **{"model.dim": 10, "run.seed": 2, "data.parts": 3, "average.decay": 0.5})
                self.succeed("export", f"{name}-a", f"{name}-b", "-o", name, "--weight", "1", "0.3")
                models = []
                for member in ("a", "b"):
                    self.succeed("export", f"{name}-{member}", "-o", f"{name}-{member}-model")
                    models.append(oracle.Files(self.folder / "data.kg", 8, self.folder / f"{name}-{member}-model"))
                whole = oracle.Files(self.folder / "data.kg", 8, self.folder / name)
                self.assertEqual(whole.entities.shape, (60, 26))
                for relation in range(8):
                    scores = [self.scores(oracle, model, relation) for model in (whole, *models)]
                    np.testing.assert_allclose(scores[0], scores[1] + 0.3 * scores[2], rtol=1e-6, atol=1e-6)
                expected = self.evaluate(name)
                for ranks in (1, 2, 3):
                    self.assertEqual(self.evaluate(name, ranks=ranks), expected)
                self.expect_oracle_agrees(name)

    @staticmethod
    def scores(oracle, model, relation):
        query, _ = oracle.compose(model.model, model.entities, np.repeat(model.relations[[relation]], 60, axis=0))
        return query @ model.entities.T

    def test_a_sum_of_sums(self):
        for seed in (1, 2, 3):
            self.train(f"run{seed}", **{"run.seed": seed})
        self.succeed("export", "run1", "run2", "-o", "two", "--weight", "0.5", "1")
        said = json.loads(self.succeed("export", "two", "run3", "-o", "three", "--weight", "0.5", "1", "--json"))
        self.assertEqual([member["weight"] for member in said["members"]], [0.25, 0.5, 1])
        self.assertEqual(said["dim"], 48)
        self.evaluate("three", ranks=2)
        self.assertEqual(len(json.loads(self.succeed("predict", "three", "--query", "e000", "r1", "-k", "3", "--json"))["answers"]), 3)

    def test_equal_members_rank_like_one(self):
        self.train("run")
        self.succeed("export", "run", "run", "-o", "twice", "--weight", "0.5", "0.5")
        self.assertAlmostEqual(self.evaluate("twice")["mrr"], self.evaluate("run")["mrr"], places=3)


class BadExport(ExportTest):
    def setUp(self):
        super().setUp()
        self.train("run")

    def test_models_that_cannot_be_summed(self):
        self.train("other", **{"model.name": '"distmult"'})
        self.refuse(USAGE, "export", "run", "other", "-o", "sum", says=["'run'", "'other'", "complex", "distmult"])
        self.train("distance", **{"model.name": '"transe_l1"'})
        self.refuse(USAGE, "export", "distance", "distance", "-o", "sum", says=["'distance'", "transe_l1", "distmult, complex, cp"])
        self.make_graph(name="other.kg", seed=2)
        self.train("foreign", **{"data.graph": '"other.kg"'})
        self.refuse(USAGE, "export", "run", "foreign", "-o", "sum", says=["'run'", "'foreign'", "different graphs"])

    def test_command_lines(self):
        for words, says in ((["run"], "--output"), (["run", "-o", "x", "--weight", "0"], "'0' is not allowed"),
                            (["run", "-o", "x", "--weight", "nan"], "'nan' is not allowed"),
                            (["run", "-o", "x", "--weight", "1", "2"], "--weight has 2 numbers"),
                            (["run", "run", "-o", "x", "--epoch", "4"], "--epoch is for one run"),
                            (["run", "-o", "x", "--format", "np"], "did you mean 'npy'?"),
                            (["data.parts=8", "-o", "x"], "at least one run"), (["-o", "x"], "required")):
            with self.subTest(words=words):
                self.refuse(USAGE, "export", *words, says=[says])
        self.refuse(USAGE, "export", "run", "-o", "x", ranks=2, says=["'tessera export' runs as one process"])
        self.assertIn("tessera export RUN1 RUN2", self.succeed("export", "--help"))

    def test_output_that_exists(self):
        self.succeed("export", "run", "-o", "model")
        self.refuse(USAGE, "export", "run", "-o", "model", says=["'model' exists already"])
        self.refuse(USAGE, "export", "run", "-o", "run", says=["'run' exists already"])

    def test_what_is_not_there(self):
        self.refuse(MISSING, "export", "nowhere", "-o", "x", says=["nowhere"])
        self.refuse(MISSING, "export", "data.kg", "-o", "x", says=["job.toml"])
        shutil.rmtree(self.folder / "run" / "checkpoints")
        self.refuse(MISSING, "export", "run", "-o", "x", says=["no complete checkpoint"])

    def test_a_graph_that_moved(self):
        (self.folder / "data.kg").rename(self.folder / "moved.kg")
        self.refuse(MISSING, "export", "run", "-o", "x", says=["data.graph="])
        self.succeed("export", "run", "data.graph=moved.kg", "-o", "model")
        self.evaluate("model")

    def test_a_damaged_checkpoint_is_not_replaced(self):
        checkpoints = sorted((self.folder / "run" / "checkpoints").iterdir())
        best = json.loads(self.succeed("export", "run", "-o", "first", "--json"))["members"][0]["epoch"]
        for count, folder in enumerate([self.folder / "run" / "checkpoints" / f"epoch-{best:06}", *checkpoints]):
            with open(folder / "part-0003.h5", "ab") as file:
                file.write(b"x")
            if count == 0 and len(checkpoints) > 1:
                done = self.run_program("export", "run", "-o", "second")
                self.assertEqual(done.returncode, BAD_DATA, done.stderr)
                self.assertIn(f"after epoch {best} is damaged", done.stderr.decode())
        done = self.run_program("export", "run", "-o", "third")
        self.assertEqual(done.returncode, BAD_DATA)
        self.assertIn("part-0003.h5", done.stderr.decode())
        self.assertFalse((self.folder / "third").exists())

    def test_a_damaged_model(self):
        self.succeed("export", "run", "-o", "model")
        file = self.folder / "model" / "model.h5"
        whole = bytearray(file.read_bytes())
        whole[len(whole) // 2] ^= 1
        file.write_bytes(whole)
        for words in (["evaluate", "model"], ["predict", "model", "--query", "e000", "r1"], ["export", "model", "-o", "x"], ["info", "model"]):
            self.refuse(BAD_DATA, *words, says=["model.h5"])
        self.refuse(BAD_DATA, "evaluate", "model", ranks=2, says=["model.h5"])

    def test_a_model_of_another_graph_or_shape(self):
        self.succeed("export", "run", "-o", "model")
        self.make_graph(name="other.kg", seed=2)
        self.refuse(USAGE, "evaluate", "model", "data.graph=other.kg", says=["'model'", "another graph"])
        self.refuse(USAGE, "evaluate", "model", "model.dim=32", ranks=2, says=["dim 16", "dim 32"])

    def test_a_model_is_not_trained_on(self):
        self.succeed("export", "run", "-o", "model")
        self.refuse(USAGE, "train", "model/job.toml", "--resume", says=["'", "model", "exported"])

    def test_an_output_that_cannot_be_made(self):
        done = self.run_program("export", "run", "-o", "/dev/full/model")
        self.assertEqual(done.returncode, 74)


if __name__ == "__main__":
    support.main()
