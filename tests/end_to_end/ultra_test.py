# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""ULTRA with the real program: commands, refusals, and the published figures where data and weights are there."""

import json
import math
import os
import random
import struct
import unittest
from pathlib import Path

import support
from support import ProgramTest

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("TESSERA_DATA", ROOT.parent / "shared" / "data"))
WEIGHTS = DATA / "ULTRA" / "ultra_3g.safetensors"
USAGE, BAD_DATA, MISSING, OVER_BUDGET = 64, 65, 66, 69
# MRR of ULTRA 3g under the pessimistic tie rule; of the inductive graphs over valid and test queries together.
UMLS = 0.69601
INDUCTIVE = {"WN18RR_v1": 0.5929, "WN18RR_v2": 0.6205, "WN18RR_v3": 0.3713, "WN18RR_v4": 0.4840,
             "fb237_v1": 0.4863, "fb237_v2": 0.5006, "fb237_v3": 0.4821, "fb237_v4": 0.4769}


def random_weights(dim=16, layers=2, seed=1):
    """Tensors of a small ULTRA: name -> (shape, numbers)."""
    draw = random.Random(seed)
    tensors = {}

    def add(name, *shape, mean=0.0, scale=0.3):
        tensors[name] = (list(shape), [draw.gauss(mean, scale) for _ in range(math.prod(shape))])

    def linear(name, inputs, outputs):
        add(f"{name}.weight", outputs, inputs, scale=inputs ** -0.5)
        add(f"{name}.bias", outputs)

    for net in ("relation_model", "entity_model"):
        for layer in range(layers):
            name = f"{net}.layers.{layer}"
            linear(f"{name}.linear", 2 * dim, dim)
            add(f"{name}.layer_norm.weight", dim, mean=1.0)
            add(f"{name}.layer_norm.bias", dim)
            if net == "relation_model":
                add(f"{name}.relation.weight", 4, dim)
            else:
                linear(f"{name}.relation_projection.0", dim, dim)
                linear(f"{name}.relation_projection.2", dim, dim)
    linear("entity_model.mlp.0", 2 * dim, 2 * dim)
    linear("entity_model.mlp.2", 2 * dim, 1)
    return tensors


def safetensors(tensors):
    header, numbers = {}, b""
    for name, (shape, values) in tensors.items():
        raw = struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(numbers), len(numbers) + len(raw)]}
        numbers += raw
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + numbers


class Commands(ProgramTest):
    def setUp(self):
        super().setUp()
        self.make_graph(parts=4)
        self.write("ultra.safetensors", safetensors(random_weights()))

    def model(self):
        out = self.succeed("import-model", "data.kg", "--ultra", "ultra.safetensors", "-o", "model")
        self.assertIn("ultra, dim 16", out)
        return "model"

    def evaluation(self, *words, **options):
        return json.loads(self.succeed("evaluate", *words, "--json", **options))

    def test_evaluates_with_the_same_bits_on_any_number_of_ranks_and_threads(self):
        self.model()
        first = self.evaluation("model", "--by", "relation")
        self.assertEqual(first["all"]["queries"], 2 * first["tail"]["queries"])
        for ranks, threads in ((1, "2"), (2, "1"), (3, "1")):
            other = self.evaluation("model", ranks=ranks, OMP_NUM_THREADS=threads)
            self.assertEqual(other["rank_digest"], first["rank_digest"])
            self.assertEqual(other["all"], first["all"])
        self.assertIn("evaluation-test.h5", self.succeed("info", "model"))

    def test_answers_and_scores_agree(self):
        self.model()
        triple = self.write("list.tsv", "e000\tr1\te007\ne003\tr2\te020\n")
        scores = [json.loads(line) for line in
                  self.succeed("score", "model", triple, "--format", "jsonl").splitlines()]
        for line in scores:
            asked = json.loads(self.succeed("predict", "model", "--query", line["head"], line["relation"], "-k", "99",
                                            "--json"))
            found = {answer["entity"]: answer["score"] for answer in asked["answers"]}
            self.assertAlmostEqual(found[line["tail"]], line["score"], places=5)
            which = json.loads(self.succeed("predict", "model", "--query", line["head"], "?", line["tail"], "--json"))
            found = {answer["relation"]: answer["score"] for answer in which["answers"]}
            self.assertAlmostEqual(found[line["relation"]], line["score"], places=5)
        one = self.succeed("predict", "model", "--query", "?", "r1", "e007", "--json")
        self.assertEqual(self.succeed("predict", "model", "--query", "?", "r1", "e007", "--json", ranks=3), one)

    def test_probabilities(self):
        self.model()
        self.assertIn("calibration error", self.succeed("calibrate", "model"))
        curve = (self.folder / "model/calibration.json").read_bytes()
        self.succeed("calibrate", "model", ranks=3)
        self.assertEqual((self.folder / "model/calibration.json").read_bytes(), curve)
        rows = [json.loads(line) for line in self.succeed(
            "score", "model", self.write("list.tsv", "e000\tr1\te007\ne003\tr2\te020\n"), "--format", "jsonl").splitlines()]
        self.assertEqual(sorted(rows, key=lambda row: row["score"]), sorted(rows, key=lambda row: row["probability"]))
        self.assertTrue(all(0 < row["probability"] < 1 for row in rows))

    def test_refuses_what_needs_vectors(self):
        self.model()
        for words in (["similar", "model", "e001"], ["export", "model", "-o", "out"],
                      ["predict", "model", "--relation", "r1"],
                      ["plan", "model/job.toml"], ["predict", "model", "--query", "e001", "r1", "--among", "list"],
                      ["evaluate", "model", "--candidates-where", "x > 1"]):
            self.refuse(USAGE, *words, says=["ultra", "has no vectors"])
        self.refuse(USAGE, "train", "model/job.toml", says=["ultra", "loss.name"])
        self.refuse(USAGE, "evaluate", "model", "--candidates", "list", says=["among all entities"])
        self.refuse(USAGE, "evaluate", "model", "--epoch", 3, says=["epoch"])
        self.refuse(USAGE, "evaluate", "model", "run.device=cuda", says=["computes on CPUs"])
        self.refuse(OVER_BUDGET, "evaluate", "model", "run.memory=40KiB", says=["run.memory"])

    def test_refuses_weights_that_are_not_of_ultra(self):
        for change, says in (
                (lambda t: t.pop("entity_model.mlp.2.bias"), "'entity_model.mlp.2.bias' is missing"),
                (lambda t: t.update(more=([1], [0.0])), "'more' is no part"),
                (lambda t: t.update({"entity_model.mlp.2.bias": ([2], [0.0, 1.0])}), "has the shape [2]"),
                (lambda t: t["entity_model.mlp.2.bias"][1].__setitem__(0, math.nan), "has nan"),
                (lambda t: t.update({"relation_model.layers.0.linear.weight": ([16, 208], [0.0] * 3328)}), "PNA")):
            tensors = random_weights()
            change(tensors)
            self.write("bad.safetensors", safetensors(tensors))
            self.refuse(BAD_DATA, "import-model", "data.kg", "--ultra", "bad.safetensors", "-o", "model", says=[says])
        self.write("cut.safetensors", safetensors(random_weights())[:-8])
        self.refuse(BAD_DATA, "import-model", "data.kg", "--ultra", "cut.safetensors", "-o", "model", says=["shorter"])
        self.refuse(USAGE, "import-model", "data.kg", "--ultra", "ultra.pth", "-o", "model", says=["tools/ultra_weights.py"])
        self.refuse(USAGE, "import-model", "data.kg", "-o", "model", says=["--ultra"])
        self.refuse(USAGE, "import-model", "data.kg", "--ultra", "ultra.safetensors", "--model", "complex", "-o", "model",
                    says=["--ultra alone"])

    def test_refuses_damaged_weights(self):
        self.model()
        file = self.folder / "model" / "ultra.h5"
        raw = bytearray(file.read_bytes())
        raw[len(raw) // 2] ^= 1
        file.write_bytes(raw)
        self.refuse(BAD_DATA, "evaluate", "model", says=["ultra.h5"])


class Figures(ProgramTest):
    def model(self, folder, parts=2):
        for path in (WEIGHTS, DATA / folder / "train.tsv.zst"):
            if not path.exists():
                self.skipTest(f"{path} is not there")
        splits = [word for split in ("train", "valid", "test")
                  for word in (f"--{split}", DATA / folder / f"{split}.tsv.zst")]
        self.succeed("import", *splits, "-o", "data.kg")
        self.succeed("partition", "data.kg", "--parts", parts)
        self.succeed("import-model", "data.kg", "--ultra", WEIGHTS, "-o", "model")

    def mrr(self, *splits):
        found = [json.loads(self.succeed("evaluate", "model", "--split", split, "--resamples", 0, "--json",
                                         OMP_NUM_THREADS="2", timeout=300))["all"] for split in splits]
        queries = sum(one["queries"] for one in found)
        return sum(one["queries"] * one["pessimistic"]["mrr"] for one in found) / queries

    def test_umls(self):
        self.model("UMLS")
        self.assertAlmostEqual(self.mrr("test"), UMLS, delta=1e-4)

    def test_inductive_graphs(self):
        for name, expected in INDUCTIVE.items():
            with self.subTest(name):
                self.model(f"inductive/{name}_ind")
                self.assertAlmostEqual(self.mrr("valid", "test"), expected, delta=5e-4)
                for folder in ("data.kg", "model"):
                    support.shutil.rmtree(self.folder / folder)


if __name__ == "__main__":
    support.main()
