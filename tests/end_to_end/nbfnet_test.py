# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""NBFNet and ULTRA are trained with the real program: same bits anywhere, kill and resume, other graphs, refusals."""

import json

import support
from support import ProgramTest

USAGE, BAD_DATA, MISSING, OVER_BUDGET, STOPPED = 64, 65, 66, 69, 75
NBFNET = {"model.name": '"nbfnet"', "loss.name": '"self_adversarial"', "optimiser.name": '"adam"',
          "optimiser.learning_rate": 0.01, "negatives.count": 8, "train.batch_size": 30, "train.epochs": 2,
          "validate.every": 1, "propagation.layers": 3, "train.segment_steps": 6, "data.parts": 4}
MODELS = {
    "independent": {},
    "dependent": {"propagation.relations": '"dependent"', "propagation.removed": '"pair"', "loss.temperature": 0.5},
    "ultra": {"model.name": '"ultra"', "propagation.layers": 2, "train.epochs": 1},
}


class Training(ProgramTest):
    def setUp(self):
        super().setUp()
        self.succeed("import", self.write_triples(entities=40, relations=3, count=230), "-o", "data.kg")
        self.succeed("partition", "data.kg", "--parts", 4)

    def job(self, name, **keys):
        return self.write_job(f"{name}.toml", **{**NBFNET, "run.folder": f'"{name}"', **keys})

    def train(self, name, ranks=0, **keys):
        return json.loads(self.succeed("train", "--json", self.job(name, **keys), ranks=ranks))

    def test_same_bits_on_any_number_of_ranks_and_threads(self):
        for model, keys in MODELS.items():
            with self.subTest(model):
                first = self.train(f"{model}-0", **keys)
                for i, (ranks, threads) in enumerate(((2, 1), (3, 2)), 1):
                    other = self.train(f"{model}-{i}", ranks=ranks, **keys, **{"run.threads": threads})
                    self.assertEqual({**other, "run": ""}, {**first, "run": ""})
                ranks = [json.loads(self.succeed("evaluate", f"{model}-{i}", "--json", ranks=i + 1))["rank_digest"] for i in (0, 2)]
                self.assertEqual(ranks[0], ranks[1])

    def test_a_run_that_is_stopped_or_killed_goes_on_with_the_same_bits(self):
        whole = self.train("whole")
        job = self.job("cut")
        ends = []
        for session, fault in enumerate(("1:4:signal", "0:9:kill", "0:7:signal")):
            done = self.run_program("train", "--json", job, "--resume", ranks=2, TESSERA_FAULT=f"train.step:{fault}")
            ends.append(done.returncode)
        self.assertEqual((ends[0], ends[2]), (STOPPED, STOPPED))
        self.assertNotIn(ends[1], (0, STOPPED))
        outcome = json.loads(self.succeed("train", "--json", job, "--resume", ranks=3))
        self.assertEqual({**outcome, "run": ""}, {**whole, "run": ""})
        losses = [[json.loads(line)["loss"] for line in (self.folder / run / "metrics.jsonl").read_text().splitlines()]
                  for run in ("whole", "cut")]
        self.assertEqual(losses[0], losses[1])

    def test_it_learns_answers_and_is_described(self):
        outcome = self.train("run", **{"train.epochs": 6})
        self.assertGreater(outcome["best_validation_mrr"], 0.2)  # a guess has about .1
        self.assertIn("nbfnet", self.succeed("info", "run"))
        self.assertIn("sound", self.succeed("info", "run/checkpoints/epoch-000006"))
        self.assertIn("e0", self.succeed("predict", "run", "--query", "e001", "r1", "-k", 3))
        self.assertIn("e008", self.succeed("score", "run", self.write("ask.tsv", "e001\tr1\te008\n")))
        self.succeed("evaluate", "run", "--epoch", 6)
        self.refuse(MISSING, "evaluate", "run", "--epoch", 3, says=["no checkpoint after epoch 3"])
        self.refuse(USAGE, "similar", "run", "e001", says=["nbfnet", "no vectors"])

    def other_graph(self, name, triples):
        self.succeed("import", "--train", self.write(f"{name}.tsv", triples), "--test",
                     self.write(f"{name}-test.tsv", "x1\tr1\tx8\n"), "-o", name)
        self.succeed("partition", name, "--parts", 2)
        return [f"data.graph={name}", "data.parts=2"]

    def test_it_answers_on_another_graph_by_the_names_of_relations(self):
        self.train("run")
        lines = "".join(f"x{i}\tr{r}\tx{(i + 7 * r + 1) % 30}\n" for i in range(30) for r in (2, 1))
        found = json.loads(self.succeed("evaluate", "run", *self.other_graph("new.kg", lines), "--json"))
        self.assertEqual(found["all"]["queries"], 2)
        unknown = self.other_graph("unknown.kg", lines + "x1\tr9\tx2\n")
        self.refuse(USAGE, "evaluate", "run", *unknown, says=["relation 'r9'", "ultra"])
        self.train("any", **MODELS["ultra"])
        self.succeed("evaluate", "any", *unknown)

    def test_ultra_goes_on_from_weights(self):
        first = self.train("first", **MODELS["ultra"])
        second = self.train("second", **MODELS["ultra"], **{"propagation.weights": '"first"', "run.seed": 2})
        self.assertNotEqual(first["parameter_digest"], second["parameter_digest"])
        self.refuse(BAD_DATA, "train", self.job("wrong", **MODELS["ultra"], **{"propagation.weights": '"first"', "model.dim": 32}),
                    says=["tensor '", "shape"])
        self.refuse(MISSING, "train", self.job("none", **MODELS["ultra"], **{"propagation.weights": '"nowhere"'}), says=["nowhere"])

    def test_what_does_not_fit_is_refused(self):
        for keys, says in (({"model.dim": 20}, "multiple of 16"), ({"loss.name": '"softmax"'}, "loss.name=self_adversarial"),
                           ({"optimiser.name": '"adagrad"'}, "optimiser.name=adam"), ({"run.rows": '"bf16"'}, "no entity rows"),
                           ({"negatives.scope": '"all"'}, "negatives.scope=global"), ({"propagation.weights": '"x"'}, "of 'ultra'"),
                           ({"run.device": '"cuda"'}, "run.device=cpu"), ({"propagation.layer": 3}, "propagation.layers")):
            self.refuse(USAGE, "train", self.job("refused", **keys), says=[says])
        small = {"run.memory": '"1500KiB"', "train.batch_size": 4000}
        self.refuse(OVER_BUDGET, "train", self.job("large", **small), says=["train.batch_size=", "fits"])
        self.refuse(OVER_BUDGET, "train", self.job("larger", **{**small, "run.memory": '"100KiB"'}), says=["run.memory"])


if __name__ == "__main__":
    support.main()
