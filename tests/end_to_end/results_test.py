# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""tools/tessera_results.py reads what the program writes, and PyKEEN ranks the vectors as the program does."""

import importlib
import json
import sys
import unittest
from pathlib import Path

import support
from support import ProgramTest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
try:
    import numpy
    import tessera_results
except ImportError:
    tessera_results = None


def rows_of(table):
    """Dicts, of a data frame or of a dict of columns."""
    columns = table.to_dict("list") if hasattr(table, "to_dict") else table
    return [dict(zip(columns, values)) for values in zip(*columns.values())]


@unittest.skipIf(tessera_results is None, "numpy or h5py is missing")
class Results(ProgramTest):
    def setUp(self):
        super().setUp()
        self.write("attributes.tsv", "".join(f"e{e:03}\tlabel\tno. {e}\n" for e in range(0, 60, 2)))
        self.succeed("import", self.write_triples(), "--valid-fraction", "0.1", "--test-fraction", "0.1", "--attributes", "attributes.tsv",
                     "-o", "data.kg")
        self.succeed("partition", "data.kg", "--parts", 8)
        self.succeed("train", self.write_job(**{"model.name": f'"{self.model_name()}"'}))
        self.succeed("export", "run", "-o", "model")
        self.graph = tessera_results.Graph(self.folder / "data.kg")
        self.model = tessera_results.Model(self.folder / "model")

    @staticmethod
    def model_name():
        return "complex"

    def test_graph(self):
        self.assertEqual(self.graph.entities, [f"e{e:03}" for e in range(60)])
        lines = {"\t".join(row.values()) for split in ("train", "valid", "test") for row in rows_of(self.graph.triples(split))}
        self.assertEqual(lines, set((self.folder / "triples.tsv").read_text().splitlines()))
        self.assertEqual(self.graph.attribute("label")["e004"], ["no. 4"])

    def test_vectors_by_name(self):
        self.succeed("export", "run", "-o", "text", "--format", "tsv")
        for line in (self.folder / "text/entities.tsv").read_text().splitlines():
            name, *numbers = line.split("\t")
            self.assertTrue(numpy.array_equal(self.model[name], numpy.array(numbers, "f4")))
        with self.assertRaisesRegex(FileNotFoundError, "tessera export"):
            tessera_results.Model(self.folder / "run")

    def test_metrics_and_ranks(self):
        said = json.loads(self.succeed("evaluate", "--json", "run"))
        ranks = rows_of(tessera_results.ranks(self.folder / "run", "test", self.graph))
        self.assertAlmostEqual(numpy.mean([1 / row["rank"] for row in ranks]), said["mrr"], places=9)
        self.assertEqual({row["side"] for row in ranks}, {"head", "tail"})
        tests = {tuple(row.values()) for row in rows_of(self.graph.triples("test"))}
        self.assertEqual({(row["head"], row["relation"], row["tail"]) for row in ranks}, tests)
        epochs = rows_of(tessera_results.metrics(self.folder / "run"))
        self.assertEqual([int(row["epoch"]) for row in epochs], [1, 2, 3, 4])
        found = tessera_results.figures(self.folder / "run")
        self.assertAlmostEqual(float(found["all"]["realistic_mrr"]), said["mrr"], places=9)

    def test_answers_and_tables(self):
        words = ["predict", "run", "--query", "e001", "r1", "--query", "?", "r2", "e007", "--query", "e001", "?", "e009", "-k", 4]
        lines = [json.loads(line) for line in self.succeed(*words, "--format", "jsonl").splitlines()]
        self.succeed(*words, "-o", "answers.h5")
        for row, line in zip(rows_of(tessera_results.predictions(self.folder / "answers.h5")), lines, strict=True):
            self.assertEqual([row[k] for k in ("head", "relation", "tail", "rank", "known")],
                             [line[k] or "" for k in ("head", "relation", "tail", "rank", "known")])
            self.assertEqual(row["label"], line["label"] or "")
        for ending in ("h5", "csv", "tsv", "jsonl"):
            self.succeed("predict", "run", "--relation", "r1", "-k", 5, "-o", f"pairs.{ending}")
        tables = [rows_of(tessera_results.table(self.folder / f"pairs.{ending}")) for ending in ("h5", "csv", "tsv", "jsonl")]
        for table in tables[1:]:
            self.assertEqual([(r["head"], r["tail"], numpy.float32(r["score"])) for r in table],
                             [(r["head"], r["tail"], numpy.float32(r["score"])) for r in tables[0]])

    def test_pykeen_ranks_alike(self):
        try:
            importlib.import_module("pykeen")
            import torch
            from pykeen.evaluation import RankBasedEvaluator
        except ImportError as missing:
            self.skipTest(str(missing))
        model, _ = tessera_results.pykeen_model(self.model, self.graph)
        ids = {split: torch.as_tensor(self.graph.ids(split)) for split in ("train", "valid", "test")}
        found = RankBasedEvaluator().evaluate(model, ids["test"], additional_filter_triples=[ids["train"], ids["valid"]],
                                              batch_size=32, use_tqdm=False)
        said = json.loads(self.succeed("evaluate", "--json", "model"))
        self.assertAlmostEqual(found.get_metric("both.realistic.inverse_harmonic_mean_rank"), said["mrr"], places=4)


@unittest.skipIf(tessera_results is None, "numpy or h5py is missing")
class ResultsOfRotatE(Results):
    @staticmethod
    def model_name():
        return "rotate"


if __name__ == "__main__":
    support.main()
