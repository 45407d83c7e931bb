# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Comparisons of evaluations, with the real program."""

import json

import support
from export_test import BAD_DATA, MISSING, USAGE, ExportTest

try:
    import h5py
    import numpy as np
except ImportError:  # ExportTest.need_numpy() skips
    pass


class Compare(ExportTest):
    def setUp(self):
        super().setUp()
        self.train("long", **{"train.epochs": 40, "optimiser.learning_rate": 0.5})
        self.train("short", **{"train.epochs": 1})
        for run in ("long", "short"):
            self.evaluate(run)

    def columns(self, run):
        with h5py.File(self.folder / run / "evaluation-test.h5") as file:
            stored = {name: column[:].astype(np.int64) for name, column in file["queries"].items()}
        order = np.lexsort([stored[name] for name in ("side", "tail", "relation", "head")])
        keys = np.stack([stored[name][order] for name in ("head", "relation", "tail")], axis=1)
        return keys, 1 / (1 + stored["n_greater"] + stored["n_equal"] / 2)[order]

    def test_equals_numpy(self):
        self.need_numpy()
        result = json.loads(self.succeed("compare", "short", "long", "--json"))
        (keys, before), (_, after) = self.columns("short"), self.columns("long")
        self.assertAlmostEqual(result["first"]["mrr"], before.mean(), places=12)
        self.assertAlmostEqual(result["difference"], (after - before).mean(), places=12)
        self.assertEqual((result["better"], result["worse"]), ((after > before).sum(), (after < before).sum()))
        # A bootstrap of numpy's own: other random numbers, the same distribution.
        _, triple = np.unique(keys, axis=0, return_inverse=True)
        counts = np.random.default_rng(1).poisson(1, (4000, triple.max() + 1))[:, triple.ravel()]
        means = (counts * (after - before)).sum(axis=1) / counts.sum(axis=1)
        error = means.std()
        self.assertAlmostEqual(result["standard_error"], error, delta=0.06 * error)
        for key, quantile in (("low", 0.025), ("high", 0.975)):
            self.assertAlmostEqual(result[key], np.quantile(means, quantile), delta=0.2 * error)
        self.assertAlmostEqual(result["share_second_better"], (means > 0).mean(), delta=0.03)

    def test_samples_of_a_split(self):
        whole = json.loads(self.succeed("evaluate", "long", "--json"))
        one = json.loads(self.succeed("evaluate", "long", "--json", "--max-triples", 5))
        self.assertEqual((one["max_triples"], one["triples"]), (5, 5))
        self.assertLess(one["triples"], whole["triples"])
        spread = json.loads(self.succeed("evaluate", "long", "--json", "--max-triples", 5, ranks=3))
        self.assertEqual((spread["mrr"], spread["rank_digest"]), (one["mrr"], one["rank_digest"]))
        self.refuse(USAGE, "compare", "short", "long", says=["samples of triples"])
        self.evaluate("short", "--max-triples", 5)
        self.succeed("compare", "short", "long")
        self.refuse(USAGE, "evaluate", "long", "--max-triples", 5, "--check", says=["--check is about all triples"])

    def test_files_of_other_partitions_and_models(self):
        expected = json.loads(self.succeed("compare", "short", "long", "--json"))
        self.succeed("partition", "data.kg", "--parts", 3)
        self.succeed("export", "long", "-o", "model")
        self.evaluate("model", "data.parts=3")  # its queries come in another order
        result = json.loads(self.succeed("compare", "short/evaluation-test.h5", "model", "--json"))
        for key in ("difference", "low", "high", "p_value"):
            self.assertAlmostEqual(result[key], expected[key], places=6)
        self.assertEqual(json.loads(self.succeed("compare", "short.toml", "long", "--json"))["difference"], expected["difference"])
        text = self.succeed("compare", "model", "long", "--resamples", 100)
        self.assertIn("two-sided p about", text)

    def test_what_cannot_be_compared(self):
        self.evaluate("long", "--split", "valid")
        self.refuse(USAGE, "compare", "short", "long/evaluation-valid.h5", says=["splits", "'test'", "'valid'"])
        self.refuse(MISSING, "compare", "short", "long", "--split", "valid", says=["short/evaluation-valid.h5", "tessera evaluate"])
        self.refuse(MISSING, "compare", "short", "nowhere.h5", says=["nowhere.h5"])
        self.refuse(MISSING, "compare", "short", "nowhere.toml", says=["nowhere.toml"])
        self.refuse(BAD_DATA, "compare", "short", "data.kg/graph.h5", says=["graph.h5"])
        triples = [line for line in (self.folder / "data.kg.tsv").read_text().splitlines()]
        lines = ["\t".join([triple, end, "e001", "e017"]) for triple in triples for end in ("head", "tail")]
        self.evaluate("long", "--candidates", self.write("candidates.tsv", "\n".join(lines)))
        self.refuse(USAGE, "compare", "short", "long/evaluation-test-candidates.h5", says=["candidates"])
        self.make_graph(name="other.kg", seed=2)
        self.train("foreign", **{"data.graph": '"other.kg"'})
        self.evaluate("foreign")
        self.refuse(USAGE, "compare", "short", "foreign", says=["graphs"])
        self.refuse(USAGE, "compare", "short", says=["second", "required"])


if __name__ == "__main__":
    support.main()
