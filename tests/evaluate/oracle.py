#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Ranks every query of RUN/evaluation-SPLIT.h5 again, by brute force in double precision, from the files alone.

  oracle.py --graph DATA.kg --parts 8 --run RUN [--split test]

Reads the triples from graph.h5 (not from the chunks, which the program ranks from), the rows from the checkpoint (or
from model.h5, when RUN is an exported model), and follows only docs/formats/. A count may differ from the program's where scores are closer to the target's than single
precision can tell; the bound of that is computed for every pair. Anything else is a disagreement.

Exit status: 0 agreement, 1 disagreement, 64 wrong usage, 77 numpy or h5py is missing here.
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs" / "formats"))

try:
    import h5py
    import numpy as np
    from read_model import decode_rows
    from read_queries import read_triples
except ImportError as missing:
    print(f"oracle.py: skipped: {missing}")
    sys.exit(77)

UNIT = 2.0**-24  # rounding unit of single precision
SPLITS = ["train", "valid", "test"]


class Files:
    """The graph in ids of graph.h5, and the model with its rows in that order."""

    def __init__(self, graph, parts, checkpoint):
        with h5py.File(graph / "graph.h5") as file:
            self.triples = {split: self.columns(file, split) for split in SPLITS}
        if (checkpoint / "model.h5").exists():  # exported: its rows are in the order of the ids
            with h5py.File(checkpoint / "model.h5") as file:
                self.model = text(file.attrs["model"])
                self.relations = file["relations/rows"][:].astype(np.float64)
                self.entities = decode_rows(file).astype(np.float64)
            return
        with h5py.File(graph / f"parts-{parts}" / "manifest.h5") as file:
            new_ids = file["new_ids"][:].astype(np.int64)
        with h5py.File(checkpoint / "manifest.h5") as file:
            self.model = text(file.attrs["model"])
            self.relations = file["relations/rows"][:].astype(np.float64)
        rows = []
        for part in range(parts):
            with h5py.File(checkpoint / f"part-{part:04}.h5") as file:
                rows.append(file["rows"][:].astype(np.float64))
        self.entities = np.concatenate(rows)[new_ids]

    @staticmethod
    def columns(file, split):
        return np.stack(read_triples(file, split), axis=1)


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def known_answers(files, splits):
    """(source, directed relation) -> ids of the known answers."""
    relations = len(files.relations) // 2
    answers = defaultdict(set)
    for split in splits:
        for head, relation, tail in files.triples[split].tolist():
            answers[head, relation].add(tail)
            answers[tail, relation + relations].add(head)
    return answers


def compose(model, s, r):
    """Query vectors, and the sums of magnitudes that their rounding errors are relative to."""
    if model in ("transe_l1", "transe_l2"):
        return s + r, np.abs(s) + np.abs(r)
    if model == "distmult":
        return s * r, np.abs(s * r)
    if model == "cp":
        q = np.concatenate([np.zeros_like(r), s[:, : r.shape[1]] * r], axis=1)
        return q, np.abs(q)
    if model != "complex":
        sys.exit(f"oracle.py: model '{model}' is not known here")
    half = s.shape[1] // 2
    a, b, c, d = s[:, :half], s[:, half:], r[:, :half], r[:, half:]
    return (
        np.concatenate([a * c - b * d, a * d + b * c], axis=1),
        np.concatenate([np.abs(a * c) + np.abs(b * d), np.abs(a * d) + np.abs(b * c)], axis=1),
    )


def scores(model, q, q_size, entities):
    """Scores [b, N] and bounds of what single precision may add to or take from each."""
    factor = (q.shape[1] + 8) * UNIT
    if model in ("complex", "distmult", "cp"):
        return q @ entities.T, factor * (q_size @ np.abs(entities).T)
    values = np.empty((len(q), len(entities)))
    bounds = np.empty_like(values)
    for i in range(len(q)):
        difference = np.abs(q[i] - entities)
        size = q_size[i] + np.abs(entities)
        if model == "transe_l1":
            values[i] = -difference.sum(axis=1)
            bounds[i] = factor * size.sum(axis=1)
        else:
            distance = np.sqrt((difference**2).sum(axis=1))
            values[i] = -distance
            bounds[i] = 4 * UNIT * np.sqrt((size**2).sum(axis=1)) + factor * distance
    return values, bounds


class Tally:
    def __init__(self):
        self.queries = self.exact = self.close = 0
        self.wrong = []
        self.problems = []
        self.reciprocal = {"realistic": 0.0, "pessimistic": 0.0}

    def add(self, row, stored, values, bounds, left_out, target):
        candidates = np.ones(len(values), bool)
        candidates[list(left_out)] = False
        candidates[target] = False
        gap = (values - values[target])[candidates]
        room = (bounds + bounds[target])[candidates]
        greater, equal = int((gap > 0).sum()), int((gap == 0).sum())
        surely = int((gap > room).sum())
        possibly = int((np.abs(gap) <= room).sum())
        n_greater, n_equal = stored
        self.queries += 1
        self.reciprocal["realistic"] += 1 / (1 + greater + equal / 2)
        self.reciprocal["pessimistic"] += 1 / (1 + greater + equal)
        if (greater, equal) == (n_greater, n_equal):
            self.exact += 1
        elif surely <= n_greater and n_greater + n_equal <= surely + possibly:
            self.close += 1
        else:
            self.wrong.append((row, stored, (greater, equal), surely, possibly))


def rank_all(files, stored, known, tally, block):
    relations = len(files.relations) // 2
    asks_head = stored["side"] == 1
    source = np.where(asks_head, stored["tail"], stored["head"])
    target = np.where(asks_head, stored["head"], stored["tail"])
    directed = stored["relation"] + np.where(asks_head, relations, 0)
    for first in range(0, len(source), block):
        rows = slice(first, first + block)
        q, q_size = compose(files.model, files.entities[source[rows]], files.relations[directed[rows]])
        values, bounds = scores(files.model, q, q_size, files.entities)
        for i in range(len(values)):
            at = first + i
            pair = (int(stored["n_greater"][at]), int(stored["n_equal"][at]))
            left_out = known[source[at], directed[at]]
            tally.add(at, pair, values[i], bounds[i], left_out, target[at])
            candidates = len(files.entities) - len(left_out - {target[at]})
            if stored["candidates"][at] != candidates:
                tally.problems.append(f"query {at}: {stored['candidates'][at]} candidates, the oracle has {candidates}")


def check_rows(files, stored, split, is_sample):
    """Both queries of every triple, once each, and the right ones flagged as unseen."""
    asked = [tuple(row) for row in zip(*(stored[name].tolist() for name in ("head", "relation", "tail", "side")))]
    triples = {tuple(row) for row in files.triples[split].tolist()}
    expected = {(*triple, side) for triple in triples for side in (0, 1)}
    degree = np.bincount(files.triples["train"][:, [0, 2]].ravel(), minlength=len(files.entities))
    flags = [int(degree[head] == 0 or degree[tail] == 0) for head, _, tail, _ in asked]
    problems = []
    if len(set(asked)) != len(asked):
        problems.append("a query is there twice")
    if not set(asked) <= expected or (not is_sample and len(asked) != len(expected)):
        problems.append(f"the queries are not those of the {split} split")
    if flags != stored["unseen"].tolist():
        problems.append("the flags of unseen entities are wrong")
    target = np.where(stored["side"] == 1, stored["head"], stored["tail"])
    if (degree[target] != stored["target_degree"]).any():
        problems.append("the degrees of the targets are wrong")
    return problems


def figures(rank, candidates):
    """Every figure of some queries, from the definitions."""
    n = candidates.astype(np.float64)
    harmonic = np.concatenate([[0], np.cumsum(1 / np.arange(1, candidates.max() + 1))])
    expected = (harmonic[candidates] / n).mean()
    out = {"mrr": (1 / rank).mean(), "mean_rank": rank.mean(), "geometric_mean_rank": np.exp(np.log(rank).mean())}
    out["mrr_standard_error"] = (1 / rank).std(ddof=1) / np.sqrt(len(rank)) if len(rank) > 1 else 0
    out.update({f"hits_at_{k}": (rank <= k).mean() for k in (1, 3, 10, 50, 100)})
    if candidates.max() > 1:
        out["adjusted_mrr"] = (out["mrr"] - expected) / (1 - expected)
        out["adjusted_mean_rank_index"] = 1 - (out["mean_rank"] - 1) / ((n + 1).mean() / 2 - 1)
        chances = [1 / np.arange(1, count + 1) for count in candidates]
        out["z_mrr"] = (out["mrr"] - expected) / np.sqrt(sum(c.var() for c in chances)) * len(rank)
        chance = sum(np.arange(1, count + 1).var() for count in candidates)
        out["z_mean_rank"] = ((n + 1).mean() / 2 - out["mean_rank"]) / np.sqrt(chance) * len(rank)
    return out


def check_attributes(stored, attributes):
    """The metrics in the file follow from its own counts."""
    g, e = stored["n_greater"].astype(np.float64), stored["n_equal"].astype(np.float64)
    problems = []
    for rule, share in (("optimistic", 0), ("realistic", 0.5), ("pessimistic", 1)):
        for group, chosen in (("all", slice(None)), ("tail", stored["side"] == 0), ("head", stored["side"] == 1)):
            rank = (1 + g + share * e)[chosen]
            if len(rank) == 0:
                continue
            for name, mean in figures(rank, stored["candidates"][chosen]).items():
                if not np.isclose(attributes[group][f"{rule}_{name}"], mean, rtol=1e-10, atol=1e-10):
                    problems.append(f"attribute {rule}_{name} of /metrics/{group} does not follow from the counts")
    return problems


def relation_classes(train, relations):
    """0 1-1, 1 1-N, 2 N-1, 3 N-N, 4 in no training triple."""
    classes = []
    for relation in range(relations):
        of = train[train[:, 1] == relation]
        tails_per_head = len(of) / max(1, len(set(of[:, 0].tolist())))
        heads_per_tail = len(of) / max(1, len(set(of[:, 2].tolist())))
        classes.append(4 if len(of) == 0 else (tails_per_head >= 1.5) + 2 * (heads_per_tail >= 1.5))
    return np.array(classes)


def check_tables(files, stored, tables):
    """The rows of /by_relation, /by_class and /by_degree are the groups of the queries, with their figures."""
    rank = 1 + stored["n_greater"] + stored["n_equal"] / 2
    classes = relation_classes(files.triples["train"], len(files.relations) // 2)
    bucket = np.array([int(degree).bit_length() for degree in stored["target_degree"]])
    first = np.where(bucket == 0, 0, 2 ** (np.maximum(bucket, 1) - 1))
    problems = []
    for table, name, key in (("by_relation", "relation", stored["relation"]), ("by_class", "class", classes[stored["relation"]]),
                             ("by_degree", "first_degree", first)):
        columns = tables[table]
        expected = {(k, side) for k, s in zip(key.tolist(), stored["side"].tolist()) for side in (s, 2)}
        if sorted(zip(columns[name].tolist(), columns["side"].tolist())) != sorted(expected):
            problems.append(f"/{table} has other groups than the queries")
            continue
        for row, (k, side) in enumerate(zip(columns[name], columns["side"])):
            chosen = (key == k) & ((side == 2) | (stored["side"] == side))
            right = figures(rank[chosen], stored["candidates"][chosen])
            right.update(queries=chosen.sum(), mean_candidates=stored["candidates"][chosen].mean())
            problems += [f"/{table}/{figure}, row {row}: {columns[figure][row]}, the oracle has {value}"
                         for figure, value in right.items() if not np.isclose(columns[figure][row], value, rtol=1e-10, atol=1e-10)]
    if (classes[tables["by_relation"]["relation"]] != tables["by_relation"]["class"]).any():
        problems.append("/by_relation/class is wrong")
    return problems


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graph", type=Path, required=True)
    parser.add_argument("--parts", type=int, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--split", default="test", choices=SPLITS)
    parser.add_argument("--block", type=int, default=256, help="queries scored at once")
    parser.error = lambda message: (print(f"oracle.py: {message}", file=sys.stderr), sys.exit(64))
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    with h5py.File(arguments.run / f"evaluation-{arguments.split}.h5") as file:
        stored = {name: file[f"queries/{name}"][:] for name in file["queries"]}
        stored = {name: values.astype(np.int64) for name, values in stored.items()}
        metrics = {group: dict(file[f"metrics/{group}"].attrs) for group in ("all", "tail", "head")}
        tables = {table: {name: column[:] for name, column in file[table].items()} for table in ("by_relation", "by_class", "by_degree")}
        root = dict(file.attrs)
    exported = (arguments.run / "model.h5").exists()
    checkpoint = arguments.run if exported else arguments.run / "checkpoints" / f"epoch-{int(root['epoch']):06}"
    files = Files(arguments.graph, arguments.parts, checkpoint)
    known = known_answers(files, text(root["filter"]).split(", "))
    tally = Tally()
    rank_all(files, stored, known, tally, arguments.block)
    problems = check_rows(files, stored, arguments.split, int(root["max_triples"]) > 0) + check_attributes(stored, metrics)
    problems += check_tables(files, stored, tables) + tally.problems[:10]
    for row, pair, oracle, surely, possibly in tally.wrong[:10]:
        problems.append(
            f"query {row}: (n_greater, n_equal) is {pair}, the oracle has {oracle}; {surely} candidates are above for sure, "
            f"{possibly} are too close to tell"
        )
    if len(tally.wrong) > 10:
        problems.append(f"... {len(tally.wrong)} queries in all")
    print(f"{tally.queries} queries: {tally.exact} equal, {tally.close} within rounding, {len(tally.wrong)} wrong")
    for rule, total in tally.reciprocal.items():
        print(f"MRR {rule}: {metrics['all'][f'{rule}_mrr']:.6f} in the file, {total / max(1, tally.queries):.6f} in double")
    print("\n".join(problems) or "oracle: agreement")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
