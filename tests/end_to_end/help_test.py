# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""`tessera train --help KEY`: every key is explained, with the default that the program has."""

import re
import tomllib

import support
from support import ProgramTest

USAGE = 64


def keys_of(table, prefix=""):
    for name, value in table.items():
        if isinstance(value, dict):
            yield from keys_of(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


class Help(ProgramTest):
    def test_every_key(self):
        text = self.succeed("train", "--help")
        jobs = tomllib.loads(text[text.index("[data]"):text.index("\n\nExit status") if "\n\nExit status" in text else None])
        for key, value in keys_of(jobs):
            said = self.succeed("train", "--help", key)
            first = said.splitlines()[0]
            found = re.fullmatch(re.escape(key) + r" \((?:default )?(.*)\)", first)
            self.assertTrue(found, first)
            default = found[1].strip('"')
            if default == "required":
                self.assertEqual(value, "")
            elif isinstance(value, bool):
                self.assertEqual(default, str(value).lower(), key)
            elif isinstance(value, (int, float)):
                self.assertEqual(float(default), value, key)
            else:
                self.assertEqual(default, value, key)

    def test_a_key_with_its_paragraphs(self):
        said = self.succeed("train", "--help", "negatives.scope")
        self.assertIn("all, global, part: which candidates a query is compared with", said)
        self.assertIn("negatives.scope: all compares with every entity", said)
        self.assertNotIn("negatives.count: each step samples", said)
        self.assertNotIn("`", said)
        self.assertNotIn("](", self.succeed("train", "--help", "model.name"))

    def test_tables_and_words(self):
        table = self.succeed("train", "--help", "negatives")
        self.assertEqual(re.findall(r"^negatives\.\w+", table, re.M), ["negatives.scope", "negatives.count", "negatives.unbiased"])
        self.assertIn("negatives.scope", self.succeed("train", "--help", "kvsall"))

    def test_what_is_no_key(self):
        self.refuse(USAGE, "train", "--help", "negatives.scoope", says=["'negatives.scoope'", "did you mean 'negatives.scope'?"])


if __name__ == "__main__":
    support.main()
