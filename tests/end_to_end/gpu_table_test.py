# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""bench/run.py gpu, as far as it goes without a GPU: rows, limits, what cannot run, reports. gpu_bench is a stand-in."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import support
from support import ProgramTest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "bench"))
import gpu_table  # noqa: E402

CARD = ['{"what": "device", "name": "A card", "driver": "13.0"}', "what is no JSON", '["nor", "an object"]',
        '{"what": "copy on the device", "gbytes_per_second": 2800.0}',
        '{"what": "product 8192 x 8192 x 8192, fp32", "tflops": 50.0}',
        '{"what": "product 8192 x 8192 x 8192, bf16", "tflops": 700.0}']
STEPS = ['{"what": "exact softmax step, 1000 queries, bf16", "milliseconds": 1.5, "share_of_bf16_product": 0.5}',
         '{"what": "exact softmax step, 1000 queries, fp32", "milliseconds": 9.5, "share_of_bf16_product": 0.05}']
SAMPLED = ['{"what": "sampled step, dim 100, 1000 entities, rows in bf16", "triples_per_second": 3.5e6}']


class GpuTable(ProgramTest):
    def setUp(self):
        super().setUp()
        (self.folder / "build" / "bin").mkdir(parents=True)
        (self.folder / "build" / "bin" / "tessera").symlink_to(support.PROGRAM)
        for data in ("FB15k-237", "WN18RR"):
            (self.folder / "data" / data).mkdir(parents=True)
            for seed, split in enumerate(("train", "valid", "test")):
                self.write_triples(f"data/{data}/{split}.tsv", count=300 if split == "train" else 20, seed=seed)

    def stand_in(self, *lines, then="exit 0"):
        path = self.write("build/bin/gpu_bench", "#!/bin/sh\ncat <<'END'\n" + "\n".join(lines) + f"\nEND\n{then}\n")
        path.chmod(0o755)

    def table(self, *words, status=0):
        """Runs the command; what it printed, and its results by row."""
        (self.folder / "work" / "gpu.jsonl").unlink(missing_ok=True)
        done = subprocess.run([sys.executable, ROOT / "bench" / "run.py", "gpu", "--build-dir", "build", "--data", "data",
                               "--work", "work", *map(str, words)], cwd=self.folder, env=support.environment(),
                              capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        rows = {}
        for line in (self.folder / "work" / "gpu.jsonl").read_text().splitlines():
            result = json.loads(line)
            rows.setdefault(result["row"], []).append(result)
        return done.stdout, rows

    def test_every_row(self):
        self.stand_in(*CARD, *STEPS, *SAMPLED)
        out, rows = self.table("--smoke")
        self.assertEqual(set(rows), set(gpu_table.GpuTable.names()))
        for name in ("card", "step", "sampled", "fb15k", "evaluate", "wn18rr", "relations"):
            for result in rows[name]:
                self.assertIsInstance(result["value"], (int, float), result)
                self.assertEqual(result["bf16_tflops"], 700.0)
                self.assertEqual(result["copy_gbytes_per_second"], 2800.0)
                self.assertEqual(result["device"], "A card")
                self.assertTrue(result["smoke"])
        self.assertEqual([result["value"] for result in rows["step"]], [0.5, 0.05])
        self.assertEqual([result["gate"] for result in rows["step"]], [0.4, None])
        self.assertEqual((rows["sampled"][0]["value"], rows["sampled"][0]["aim"]), (3.5e6, 10e6))
        self.assertEqual((rows["fb15k"][0]["gate"], rows["fb15k"][1]["gate"]), (60, 0.366))
        self.assertTrue(0 < rows["fb15k"][1]["value"] <= 1)
        self.assertIn("what device memory was planned and measured", rows["memory"][0]["skipped"])
        self.assertIn("copy 2,800 GB/s, bf16 700 TFLOP/s", out)
        self.assertIn("gpu_bench said what is no JSON", out)

    def test_a_program_without_cuda_skips_its_rows_and_says_so(self):
        self.stand_in("", then="echo 'gpu_bench: no device: none here' >&2; exit 64")
        _, rows = self.table(status=1)  # nothing ran
        for name in ("card", "step", "sampled"):
            self.assertIn("no device: none here", rows[name][0]["skipped"])
        for name in ("fb15k", "evaluate", "wn18rr", "relations"):
            self.assertRegex(rows[name][0]["skipped"], "built without CUDA|no device: ")

    def test_what_is_missing_is_skipped(self):
        out, rows = self.table("--only", "step", "wn18rr", "--smoke")
        self.assertIn("gpu_bench is missing", rows["step"][0]["skipped"])
        self.assertIn("the card's own rates are not known", out)
        self.assertIn("value", rows["wn18rr"][0])
        (self.folder / "data" / "WN18RR" / "test.tsv").unlink()
        _, rows = self.table("--only", "wn18rr", "--smoke", status=1)
        self.assertIn("WN18RR is not in", rows["wn18rr"][0]["skipped"])
        self.stand_in(*CARD)
        _, rows = self.table("--only", "sampled", "step", "card")
        self.assertIn("no sampled step", rows["sampled"][0]["skipped"])
        self.assertIn("no step of exact softmax", rows["step"][0]["skipped"])
        self.assertEqual(len(rows["card"]), 3)

    def test_a_figure_that_is_missed(self):
        self.stand_in(*CARD, STEPS[0].replace("0.5", "0.3"), *SAMPLED)
        out, rows = self.table("--only", "step", "sampled", status=1)
        self.assertFalse(rows["step"][0]["good"])
        self.assertTrue(rows["sampled"][0]["good"])
        self.assertIn("MISSED", out)

    def test_a_row_that_takes_too_long_is_stopped_and_the_others_go_on(self):
        self.stand_in(*CARD, *STEPS, then="sleep 1000")
        start = time.monotonic()
        _, rows = self.table("--only", "step", "sampled", "--limit", 2, status=1)
        self.assertLess(time.monotonic() - start, 60)
        self.assertEqual(rows["step"][0]["value"], 0.5)  # printed before
        self.assertIn("took longer than the limit of 2 s", rows["sampled"][0]["failed"])

    def test_a_run_that_was_stopped_goes_on(self):
        self.stand_in(*CARD)
        self.table("--only", "fb15k", "--smoke")
        (self.folder / "work" / "smoke-fb15k").rename(self.folder / "kept")
        words = ("--only", "fb15k", "--smoke", "--set", "train.epochs=100000", "validate.every=10")
        _, rows = self.table(*words, "--limit", 5, status=1)
        self.assertIn("took longer", rows["fb15k"][0]["failed"])
        done = len((self.folder / "work" / "smoke-fb15k" / "metrics.jsonl").read_text().splitlines())
        self.assertGreater(done, 0)
        _, rows = self.table("--only", "fb15k", "--smoke", "--resume", "--set", f"train.epochs={done + 3}")
        self.assertEqual(rows["fb15k"][0]["what"], f"fb15k-237-complex-n3, {done + 3} epochs (continued)")

    def test_a_tiny_run_is_not_ranked_in_earnest(self):
        self.stand_in(*CARD)
        self.table("--only", "fb15k", "--smoke")
        _, rows = self.table("--only", "evaluate", status=1)
        self.assertIn("built without CUDA", rows["evaluate"][0]["skipped"])

    def test_what_runs_ends_with_the_command(self):
        self.stand_in(*CARD, then="echo $$ >pid; exec sleep 1000")
        table = subprocess.Popen([sys.executable, ROOT / "bench" / "run.py", "gpu", "--build-dir", "build", "--data", "data",
                                  "--work", "work", "--only", "step"], cwd=self.folder, env=support.environment(),
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        pid = self.folder / "pid"
        while not (pid.exists() and pid.read_text().strip()):
            time.sleep(0.05)
        table.terminate()
        self.assertEqual(table.wait(60), 128 + signal.SIGTERM)
        with self.assertRaises(ProcessLookupError):
            os.kill(int(pid.read_text()), 0)

    def test_a_row_that_fails_says_how(self):
        self.stand_in(*CARD)
        _, rows = self.table("--only", "fb15k", "--smoke", "--set", "model.dim=15", status=1)
        self.assertIn("tessera train ended with 64", rows["fb15k"][0]["failed"])
        self.stand_in(*CARD, then="echo broken >&2; exit 70")
        _, rows = self.table("--only", "card", "step", status=1)
        self.assertEqual(len(rows["card"]), 3)
        self.assertIn("gpu_bench ended with 70: broken", rows["step"][0]["failed"])

    def test_the_benchmark_runs_no_longer_than_its_rows_want(self):
        self.stand_in(*CARD, *(STEPS[:1] * 6), then="sleep 1000")
        start = time.monotonic()
        _, rows = self.table("--only", "card", "step", "wn18rr", "--smoke")
        self.assertEqual(len(rows["step"]), 6)
        self.assertIn("value", rows["wn18rr"][0])
        self.table("--only", "card")
        self.assertLess(time.monotonic() - start, 60)

    def test_device_memory_of_a_run(self):
        self.stand_in(*CARD)
        run = self.folder / "work" / "run-fb15k"
        run.mkdir(parents=True)
        (run / "metrics.jsonl").write_text('{"epoch": 1}\n')
        _, rows = self.table("--only", "memory", status=1)  # nothing ran
        self.assertIn("does not say what device memory", rows["memory"][0]["skipped"])
        (run / "metrics.jsonl").write_text('{"device_planned_bytes": 1250, "device_measured_bytes": 1000}\n')
        _, rows = self.table("--only", "memory", status=1)
        self.assertAlmostEqual(rows["memory"][0]["value"], 25.0)
        (run / "metrics.jsonl").write_text('{"device_planned_bytes": 990, "device_measured_bytes": 1000}\n')
        _, rows = self.table("--only", "memory")
        self.assertAlmostEqual(rows["memory"][0]["value"], 1.0)

    def test_rows_that_do_not_exist(self):
        done = subprocess.run([sys.executable, ROOT / "bench" / "run.py", "gpu", "--only", "nothing"],
                              capture_output=True, text=True, env=dict(os.environ))
        self.assertEqual(done.returncode, 2)
        self.assertIn("fb15k", done.stderr)


if __name__ == "__main__":
    support.main()
