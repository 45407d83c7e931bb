# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Processes of a run: which there are, where they are killed, when the last one is gone."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

RANK_NAMES = ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK")


def settings(**extra):
    """Of ranks and launchers; those of Open MPI are without effect on others."""
    found = dict(os.environ, OMPI_MCA_btl_vader_single_copy_mechanism="none", OMPI_MCA_rmaps_base_oversubscribe="1",
                 OMPI_MCA_mpi_yield_when_idle="1", OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                 OMP_NUM_THREADS="1", OMP_WAIT_POLICY="passive",
                 TESSERA_START_SECONDS="6")
    found.update(extra)
    return found


def ranks_of(mark):
    """Rank -> process of the programs with `mark` in their command line."""
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            if not folder.name.isdigit() or (folder / "comm").read_text() != "tessera\n":
                continue
            if mark.encode() not in (folder / "cmdline").read_bytes() or b"\nState:\tZ" in (folder / "status").read_bytes():
                continue
            words = dict(word.split(b"=", 1) for word in (folder / "environ").read_bytes().split(b"\0") if b"=" in word)
        except (OSError, ValueError):
            continue
        rank = next((int(words[name.encode()]) for name in RANK_NAMES if name.encode() in words), 0)
        found[rank] = int(folder.name)
    return found


def kill(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


class Started:
    """A launcher and its ranks. `mark` is a word of the command line that no other run has."""

    def __init__(self, command, mark, folder, **extra):
        self.mark = mark
        self.messages = folder / f"{mark.replace('/', '-')}.log"
        self.start = time.monotonic()
        with open(self.messages, "wb") as out:
            self.launcher = subprocess.Popen([str(word) for word in command], cwd=folder, env=settings(**extra), stdin=subprocess.DEVNULL,
                                             stdout=subprocess.DEVNULL, stderr=out, start_new_session=True)

    def wait_for(self, count, seconds=30):
        """Until there are so many ranks, or the launcher has ended."""
        while len(ranks_of(self.mark)) < count and self.launcher.poll() is None and time.monotonic() - self.start < seconds:
            time.sleep(0.02)

    def wait_for_file(self, path, seconds=30):
        while not path.exists() and self.launcher.poll() is None and time.monotonic() - self.start < seconds:
            time.sleep(0.01)

    def end(self, since, seconds):
        """Seconds after `since` until every rank was gone; None: some had to be killed."""
        while time.monotonic() - since < seconds:
            if not ranks_of(self.mark) and self.launcher.poll() is not None:
                return time.monotonic() - since
            time.sleep(0.05)
        for pid in [*ranks_of(self.mark).values(), self.launcher.pid]:
            kill(pid, signal.SIGKILL)
        self.launcher.wait()
        return None

    def causes(self):
        """The lines that say why it ended: the program's own, and the launcher's about a rank that was killed."""
        text = self.messages.read_text(errors="replace")
        own = [line for line in text.splitlines() if line.startswith("tessera: ")]
        killed = re.findall(r"^.*(?:exited on signal|EXIT STRING|killed by signal|: Killed|task \d+: Killed).*$", text, re.MULTILINE)
        return own or killed[:1]
