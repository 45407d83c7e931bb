# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Processes of a run: which there are, where they are killed, when the last one is gone."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

LAUNCHER_SECONDS = 30
START = "6"  # seconds until a rank misses another one while all start or end
RANK_NAMES = ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK")


def settings(**extra):
    """Of ranks and launchers; those of Open MPI are without effect on others."""
    found = dict(os.environ, OMPI_MCA_btl_vader_single_copy_mechanism="none", OMPI_MCA_rmaps_base_oversubscribe="1",
                 OMPI_MCA_mpi_yield_when_idle="1", OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                 OMP_NUM_THREADS="1", OMP_WAIT_POLICY="passive")
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


def state_of(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1]
    except OSError:
        return ""


def kill(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


class Started:
    """A launcher and its ranks. `mark` is a word of the command line that no other run has."""

    def __init__(self, command, mark, folder, **extra):
        self.mark, self.launcher_hung = mark, False
        self.messages = folder / f"{mark.replace('/', '-')}.log"
        self.start = time.monotonic()
        with open(self.messages, "wb") as out:
            self.launcher = subprocess.Popen([str(word) for word in command], cwd=folder, env=settings(TESSERA_START_SECONDS=START, **extra), stdin=subprocess.DEVNULL,
                                             stdout=subprocess.DEVNULL, stderr=out, start_new_session=True)

    def wait_for(self, count, seconds=30):
        """Until there are so many ranks, or the launcher has ended."""
        while len(ranks_of(self.mark)) < count and self.launcher.poll() is None and time.monotonic() - self.start < seconds:
            time.sleep(0.02)

    def wait_for_file(self, path, seconds=30):
        while not path.exists() and self.launcher.poll() is None and time.monotonic() - self.start < seconds:
            time.sleep(0.01)

    def wait_for_fault(self, count, seconds=60):
        """Until one of `count` ranks is gone or stopped, or the launcher has ended; the time."""
        self.wait_for(count, seconds)
        while self.launcher.poll() is None and time.monotonic() - self.start < seconds:
            ranks = ranks_of(self.mark)
            if len(ranks) < count or any(state_of(pid) == "T" for pid in ranks.values()):
                break
            time.sleep(0.02)
        return time.monotonic()

    def end(self, since, seconds):
        """Seconds after `since` until every rank was gone; None: some had to be killed. Some launchers hang after that, for which no
        rank can do anything: they are killed."""
        while ranks_of(self.mark) and time.monotonic() - since < seconds:
            time.sleep(0.05)
        ended = time.monotonic() - since
        left = ranks_of(self.mark)
        while not left and self.launcher.poll() is None and time.monotonic() - since < ended + LAUNCHER_SECONDS:
            time.sleep(0.05)
        self.launcher_hung = self.launcher.poll() is None and not left
        for pid in left.values():
            kill(pid, signal.SIGKILL)
        if self.launcher.poll() is None:
            self.launcher.kill()
        self.launcher.wait()
        return None if left else ended

    def causes(self):
        """The lines that say why it ended: the program's own, and the launcher's about a rank that was killed."""
        text = self.messages.read_text(errors="replace")
        own = [line for line in text.splitlines() if line.startswith("tessera: ")]
        for pattern in (r"exited on signal|EXIT STRING|killed by signal|: Killed", r"a non-zero exit code"):  # the second says no rank
            if found := re.search(rf"^.*(?:{pattern}).*$", text, re.MULTILINE):
                return own or [found[0]]
        return own
