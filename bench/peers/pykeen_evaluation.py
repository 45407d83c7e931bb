#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Ranks a split of a trained run with Tessera and with PyKEEN's RankBasedEvaluator, and compares figures and times.

  bench/peers/pykeen_evaluation.py --program build/release/bin/tessera --graph DATA.kg --parts 8 --run RUN [--split test]

Rows come from the checkpoint by h5py, triples from graph.h5; PyKEEN scores them with torch (filtered, both sides, all
entities, realistic ties) and computes every figure from its own ranks. Figures must agree to --tolerance (1e-6; ranks
themselves relative to their size). Scores that differ by rounding only may swap two candidates: the queries whose ranks
differ are counted. Needs PyKEEN (tested with 1.10.1), torch and h5py; without them it prints 'skipped'.

Exit status: 0 agreement or skipped, 1 disagreement, 64 wrong usage."""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "evaluate"))

try:
    import h5py
    import numpy as np
    import torch
    from pykeen.evaluation import RankBasedEvaluator
    from pykeen.models import Model
    from pykeen.triples import CoreTriplesFactory
except ImportError as missing:
    print(f"pykeen_evaluation.py: skipped: {missing}")
    sys.exit(0)

from oracle import SPLITS, Files, text  # noqa: E402  (the reader of the oracle of the tests)

FIGURES = {  # the name that Tessera has for a figure, and PyKEEN's
    "mrr": "inverse_harmonic_mean_rank",
    **{f"hits_at_{k}": f"hits_at_{k}" for k in (1, 3, 10, 50, 100)},
    "mean_rank": "arithmetic_mean_rank",
    "geometric_mean_rank": "geometric_mean_rank",
    "adjusted_mrr": "adjusted_inverse_harmonic_mean_rank",
    "adjusted_mean_rank_index": "adjusted_arithmetic_mean_rank_index",
}
SIDES = {"all": "both", "tail": "tail", "head": "head"}


class Rows(Model):
    """Tessera's rows as a model of PyKEEN: heads are asked for through the inverse relation."""

    def __init__(self, files, factory, dtype):
        super().__init__(triples_factory=factory, random_seed=1)
        self.kind = files.model
        self.entities = torch.nn.Parameter(torch.tensor(files.entities, dtype=dtype), requires_grad=False)
        self.directed = torch.nn.Parameter(torch.tensor(files.relations, dtype=dtype), requires_grad=False)
        self.plain = len(files.relations) // 2

    def score_all(self, source, relation):
        s, r, e = self.entities[source], self.directed[relation], self.entities
        if self.kind in ("transe_l1", "transe_l2"):
            return -torch.cdist(s + r, e, p=1 if self.kind == "transe_l1" else 2)
        if self.kind == "distmult":
            return (s * r) @ e.T
        if self.kind != "complex":
            sys.exit(f"pykeen_evaluation.py: model '{self.kind}' is not known here")
        (a, b), (c, d) = s.chunk(2, dim=1), r.chunk(2, dim=1)
        return torch.cat([a * c - b * d, a * d + b * c], dim=1) @ e.T

    def score_t(self, hr_batch, **_):
        return self.score_all(hr_batch[:, 0], hr_batch[:, 1])

    def score_h(self, rt_batch, **_):
        return self.score_all(rt_batch[:, 1], rt_batch[:, 0] + self.plain)

    def score_hrt(self, hrt_batch, **_):
        return self.score_t(hrt_batch[:, :2]).gather(1, hrt_batch[:, 2:])

    def score_r(self, ht_batch, **_):
        raise NotImplementedError

    def _get_entity_len(self, *, mode=None):
        return len(self.entities)

    def _reset_parameters_(self):
        pass

    def collect_regularization_term(self):
        return 0.0


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=ROOT / "build" / "release" / "bin" / "tessera")
    parser.add_argument("--graph", type=Path, required=True)
    parser.add_argument("--parts", type=int, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--split", default="test", choices=SPLITS)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of both programs")
    parser.add_argument("--batch", type=int, default=32, help="triples that PyKEEN ranks at once")
    parser.add_argument("--double", action="store_true", help="let PyKEEN score in double precision")
    parser.add_argument("--tolerance", type=float, default=1e-6)
    parser.error = lambda message: (print(f"pykeen_evaluation.py: {message}", file=sys.stderr), sys.exit(64))
    return parser.parse_args()


def rank_with_tessera(arguments):
    """Its figures and the seconds of ranking; writes RUN/evaluation-SPLIT.h5."""
    environment = dict(os.environ, OMP_NUM_THREADS=str(arguments.threads))
    environment.pop("LD_LIBRARY_PATH", None)  # of the Python libraries
    command = [arguments.program, "evaluate", arguments.run, "--split", arguments.split, "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"pykeen_evaluation.py: tessera failed with {done.returncode}:\n{done.stderr[-2000:]}")
    figures = json.loads(done.stdout)
    return figures, figures["seconds"]


def rank_with_pykeen(arguments, files):
    """Its results, the realistic ranks by triple for both sides, and the seconds of ranking."""
    triples = {split: torch.tensor(files.triples[split]) for split in SPLITS}
    factory = CoreTriplesFactory(triples["train"], num_entities=len(files.entities), num_relations=len(files.relations) // 2)
    model = Rows(files, factory, torch.float64 if arguments.double else torch.float32)
    others = [triples[split] for split in SPLITS if split != arguments.split and len(triples[split])]
    evaluator = RankBasedEvaluator(filtered=True, clear_on_finalize=False, metrics=["hits_at_k", "hits_at_k"],
                                   metrics_kwargs=[{"k": 50}, {"k": 100}])  # beside its defaults
    start = time.perf_counter()
    results = evaluator.evaluate(model, triples[arguments.split], batch_size=arguments.batch, use_tqdm=False,
                                 additional_filter_triples=others)
    seconds = time.perf_counter() - start
    ranks = {side: np.concatenate(evaluator.ranks[side, "realistic"]) for side in ("tail", "head")}
    return results, ranks, seconds


def differing_ranks(arguments, files, ranks):
    """Queries whose realistic rank differs."""
    with h5py.File(arguments.run / f"evaluation-{arguments.split}.h5") as file:
        columns = {name: file[f"queries/{name}"][:].astype(np.float64) for name in file["queries"]}
    stored = 1 + columns["n_greater"] + columns["n_equal"] / 2
    keys = zip(*(columns[name].astype(np.int64).tolist() for name in ("head", "relation", "tail", "side")))
    mine = dict(zip(keys, stored.tolist()))
    triples = [tuple(row) for row in files.triples[arguments.split].tolist()]
    return sum(mine[(*triple, code)] != rank for side, code in (("tail", 0), ("head", 1))
               for triple, rank in zip(triples, ranks[side].tolist()))


def main():
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    figures, tessera_seconds = rank_with_tessera(arguments)
    with h5py.File(arguments.run / f"evaluation-{arguments.split}.h5") as file:
        epoch, filtered = int(file.attrs["epoch"]), text(file.attrs["filter"])
    if filtered != ", ".join(SPLITS):
        sys.exit(f"pykeen_evaluation.py: the filter is {filtered}, not all splits")
    files = Files(arguments.graph, arguments.parts, arguments.run / "checkpoints" / f"epoch-{epoch:06}")
    results, ranks, pykeen_seconds = rank_with_pykeen(arguments, files)
    print(f"{figures['all']['queries']:,} queries of the {arguments.split} split, {len(files.entities):,} entities, "
          f"{files.model} d = {files.entities.shape[1]}, {arguments.threads} threads")
    print(f"  {'side':<6}{'figure':<26}{'Tessera':>16}{'PyKEEN':>16}{'difference':>12}")
    bad = 0
    for side, pykeen_side in SIDES.items():
        for name, pykeen_name in FIGURES.items():
            ours = figures[side]["realistic"][name]
            theirs = results.get_metric(f"{pykeen_side}.realistic.{pykeen_name}")
            difference = abs(ours - theirs) / max(1, abs(theirs))
            bad += difference > arguments.tolerance
            verdict = "" if difference <= arguments.tolerance else "  DIFFERS"
            print(f"  {side:<6}{name:<26}{ours:>16.9f}{theirs:>16.9f}{difference:>12.1e}{verdict}")
    print(f"queries with another rank (scores equal but for rounding): {differing_ranks(arguments, files, ranks)}")
    print(f"time of ranking: Tessera {tessera_seconds:.2f} s, PyKEEN {pykeen_seconds:.2f} s, "
          f"{pykeen_seconds / tessera_seconds:.0f} times as long")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
