# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""run.products on CPUs, with the real program: bf16 where the CPU has the instructions, one clear message elsewhere."""

import json
import unittest
from pathlib import Path

import support
from support import ProgramTest

USAGE = 64
HAS_BF16 = "avx512_bf16" in Path("/proc/cpuinfo").read_text()


class Products(ProgramTest):
    def setUp(self):
        super().setUp()
        self.make_graph()

    def train(self, job, *words, ranks=0):
        done = self.run_program("train", job, "--json", *words, ranks=ranks)
        says = done.stderr.decode()
        self.assertEqual(done.returncode, 0, says)
        return json.loads(done.stdout)["parameter_digest"], says

    def job(self, run, **keys):
        return self.write_job(f"{run}.toml", **{"run.folder": f'"{run}"', "negatives.scope": '"all"', **keys})

    def test_fp32_is_the_default(self):
        digest, says = self.train(self.job("usual"))
        self.assertNotIn("products", says)
        for products in ("chain", "fp32"):
            self.assertEqual(self.train(self.job(products), f"run.products={products}")[0], digest)
        digest, says = self.train(self.job("tf32"), "run.products=tf32")
        self.assertIn("run.products (run.device is cpu)", says)

    @unittest.skipUnless(HAS_BF16, "this CPU does not have AVX512_BF16")
    def test_bf16(self):
        usual, _ = self.train(self.job("usual"))
        job = self.job("run", **{"run.products": '"bf16"'})
        digest, says = self.train(job, ranks=2)
        self.assertRegex(says, r"products: bf16 \(AVX512_BF16\), \d\.\d\d times as fast as fp32 on this CPU")
        self.assertIn("products bf16", (self.folder / "run" / "starts.jsonl").read_text())
        self.assertNotEqual(digest, usual)
        halves = self.job("halves", **{"run.products": '"bf16"'})
        self.train(halves, "train.epochs=2", ranks=3)
        self.refuse(USAGE, "train", halves, "--resume", "run.products=auto", says=["run.products"])
        self.assertEqual(self.train(halves, "--resume", "run.threads=2")[0], digest)
        self.succeed("evaluate", "run")

    @unittest.skipIf(HAS_BF16, "this CPU has AVX512_BF16")
    def test_bf16_is_refused(self):
        self.refuse(USAGE, "train", self.job("run"), "run.products=bf16", ranks=2,
                    says=["run.products 'bf16'", "AVX512_BF16", "run.products=auto"])
        self.assertFalse((self.folder / "run").exists())


if __name__ == "__main__":
    support.main()
