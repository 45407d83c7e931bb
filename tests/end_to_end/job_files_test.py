# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Every job file in jobs/ is one that the program accepts."""

from pathlib import Path

import support
from support import ProgramTest

JOBS = sorted((Path(__file__).resolve().parent.parent.parent / "jobs").glob("*.toml"))


class JobFiles(ProgramTest):
    def test_there_are_some(self):
        self.assertGreater(len(JOBS), 1)

    def test_each_is_accepted(self):
        for job in JOBS:
            with self.subTest(job=job.name):  # its graph is not there: everything before that was in order
                self.refuse(66, "train", job, "data.graph=nowhere.kg", says=["nowhere.kg"])


if __name__ == "__main__":
    support.main()
