# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""bench/first_light.sh, as far as it goes without a GPU: its steps, their limits, its table. What needs a GPU is a stand-in."""

import json
import shutil
import subprocess
import time
from pathlib import Path

import support
from support import ProgramTest

ROOT = Path(__file__).resolve().parent.parent.parent
STEPS = ["facts", "gpu_tests", "card", "fb15k", "sampled", "evaluate", "memory"]
BENCH = """#!/bin/sh
[ "$1" != sampled ] || { echo '{"what": "sampled step", "triples_per_second": 3e6}'; exit; }
cat <<'END'
{"what": "device", "name": "A card"}
{"what": "copy on the device", "gbytes_per_second": 2800.0}
{"what": "product, bf16", "tflops": 700.0}
{"what": "exact softmax step, bf16", "milliseconds": 1.5, "share_of_bf16_product": 0.5}
END
exit 70
"""


class FirstLight(ProgramTest):
    def bundle(self):
        """The files of a bundle of a build without CUDA, whose GPU programs are stand-ins."""
        bundle = self.folder / "bundle"
        for folder in ("bin", "bench"):
            (bundle / folder).mkdir(parents=True)
        (bundle / "bin" / "tessera").symlink_to(support.PROGRAM)
        for script in (ROOT / "bench").glob("*.py"):
            shutil.copy(script, bundle / "bench")
        shutil.copy(ROOT / "bench" / "first_light.sh", bundle / "bench")
        shutil.copytree(ROOT / "jobs" / "gpu", bundle / "jobs" / "gpu")
        return bundle

    def first_light(self, script, *words, status=0):
        """Runs it; what it printed, the status of each step, and the figures."""
        done = subprocess.run([script, *map(str, words)], cwd=self.folder, env=support.environment(), capture_output=True,
                              text=True, timeout=300)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        if status not in (0, 1):
            return done.stderr
        work = self.folder / "first-light"
        result = json.loads((work / "first_light.json").read_text())
        self.assertIn("== facts", (work / "first_light.log").read_text())
        self.assertEqual([step["step"] for step in result["steps"]], STEPS)
        return done.stdout, {step["step"]: step["status"] for step in result["steps"]}, result["figures"]

    def test_a_smoke_run(self):
        out, status, figures = self.first_light(self.bundle() / "bench" / "first_light.sh", "--smoke")
        for step in ("gpu_tests", "card", "sampled"):
            self.assertEqual(status[step], "skipped: needs a device")
        for step in ("facts", "fb15k", "evaluate"):
            self.assertEqual(status[step], "done")
        self.assertEqual(status["memory"], "skipped")
        self.assertEqual([figure["row"] for figure in figures], ["fb15k", "fb15k", "evaluate", "memory"])
        self.assertRegex(out, r"(?m)^fb15k +done +\d")
        self.assertRegex(out, r"(?m)^test MRR +0\.\d")

    def test_a_failure_does_not_stop_the_other_steps(self):
        bundle = self.bundle()
        (bundle / "bin" / "gpu_bench").write_text(BENCH)
        (bundle / "bin" / "gpu_tests").write_text("#!/bin/sh\necho 'failed with status 1: kernels_gpu_test'\nexit 1\n")
        for name in ("gpu_bench", "gpu_tests"):
            (bundle / "bin" / name).chmod(0o755)
        shutil.copytree(self.made_up_data(), bundle / "data")
        moved = bundle.rename(self.folder / "moved")
        out, status, figures = self.first_light(moved / "bench" / "first_light.sh", status=1)
        self.assertEqual(status["gpu_tests"], "failed")
        self.assertEqual((status["card"], status["sampled"]), ("done", "done"))
        self.assertEqual(status["fb15k"], "skipped")  # a build without CUDA
        self.assertIn("failed with status 1: kernels_gpu_test", out)
        self.assertEqual([figure["value"] for figure in figures if figure["row"] in ("step", "sampled")], [0.5, 3e6])
        skipped = [figure["skipped"] for figure in figures if figure["row"] == "fb15k"]
        self.assertRegex(skipped[0], "built without CUDA|no device")

    def made_up_data(self):
        (self.folder / "data" / "FB15k-237").mkdir(parents=True)
        for seed, split in enumerate(("train", "valid", "test")):
            self.write_triples(f"data/FB15k-237/{split}.tsv", count=300 if split == "train" else 20, seed=seed)
        return self.folder / "data"

    def test_no_step_takes_longer_than_its_time(self):
        bundle = self.bundle()
        for name in ("gpu_bench", "gpu_tests"):
            (bundle / "bin" / name).write_text("#!/bin/sh\nexec sleep 1000\n")
            (bundle / "bin" / name).chmod(0o755)
        start = time.monotonic()
        _, status, _ = self.first_light(bundle / "bench" / "first_light.sh", "--seconds", 9, status=1)
        self.assertLess(time.monotonic() - start, 60)
        self.assertEqual(status["gpu_tests"], "timed out")
        self.assertEqual(status["memory"], "no time left")

    def test_wrong_usage(self):
        script = ROOT / "bench" / "first_light.sh"
        self.assertIn("unknown option '--smok'", self.first_light(script, "--smok", status=64))
        self.assertIn("--seconds takes a number", self.first_light(script, "--seconds", "x", status=64))
        self.assertIn("no program", self.first_light(script, "--build-dir", "nowhere", status=69))


if __name__ == "__main__":
    support.main()
