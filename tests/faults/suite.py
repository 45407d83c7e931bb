# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of processes, disks, clocks and networks, on the real program. tests/faults.sh explains the options."""

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from processes import START, Started, kill, ranks_of, settings

HERE = Path(__file__).resolve().parent
CLUSTER = HERE.parent / "cluster" / "cluster.sh"
WATCHDOG = 3
SLACK = 8  # for launchers, and for cores that others use
MPIRUN = os.environ.get("TESSERA_MPIRUN", "mpirun")
LIMIT = int(START) + 3 + SLACK
CRAWL = "train.step:0:1:crawl"

JOB = {"data.graph": '"data.kg"', "data.parts": 8, "run.memory": '"256MiB"', "model.dim": 16, "train.epochs": 8,
       "train.batch_size": 128, "train.segment_steps": 2, "negatives.count": 32, "validate.every": 2,
       "checkpoint.every": '"0.1s"', "checkpoint.keep": 2, "run.watchdog_seconds": WATCHDOG}


class Skip(Exception):
    pass


class Violation(Exception):
    pass


def require(holds, text):
    if not holds:
        raise Violation(text)


class Bench:
    """A graph, a job, and the digest of a run that nothing disturbed."""

    def __init__(self, program, shim, seed):
        self.program, self.shim = program, shim
        self.draw = random.Random(seed)
        self.folder = Path(tempfile.mkdtemp(prefix="tessera-faults-"))
        self.count = self.hung_launchers = 0
        draw, lines = random.Random(1), set()
        while len(lines) < 700:
            head, relation = draw.randrange(60), draw.randrange(4)
            lines.add(f"e{head:03}\tr{relation}\te{(head + 7 * relation + draw.randrange(3)) % 60:03}\n")
        (self.folder / "triples.tsv").write_text("".join(sorted(lines)))
        (self.folder / "job.toml").write_text("".join(f"{key} = {value}\n" for key, value in JOB.items()))
        self.run("import", "triples.tsv", "-o", "data.kg")
        self.run("partition", "data.kg", "--parts", 8)
        self.expected = self.finish("undisturbed", 1)

    def run(self, *words, ranks=0, status=0, **extra):
        command = [*([MPIRUN, "-n", ranks] if ranks else []), self.program, *words]
        done = subprocess.run([str(word) for word in command], cwd=self.folder, env=settings(**extra), capture_output=True, timeout=180)
        if status is not None:
            require(done.returncode == status, f"'{words[0]}' ended with {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}")
        return done

    def finish(self, run, ranks):
        return json.loads(self.run("train", "job.toml", f"run.folder={run}", "--resume", "--json", ranks=ranks).stdout)["parameter_digest"]

    def new_run(self):
        self.count += 1
        return f"run-{self.count:04}"

    def ranks(self):
        return self.draw.choice((2, 3, 4))

    def start(self, run, ranks, shim=None, crawl=True, before=(), **extra):
        wanted = {"LD_PRELOAD": self.shim, "TESSERA_SHIM": shim} if shim else {}
        wanted.update(extra, **({"TESSERA_FAULT": CRAWL} if crawl else {}))
        words = [f"{name}={value}" for name, value in wanted.items()]
        return Started([MPIRUN, "-n", ranks, *before, "env", *words, self.program, "train", "job.toml", f"run.folder={run}", "-q"],
                       f"run.folder={run}", self.folder)

    def check(self, run, ranks, process, since, messages=(1, 1)):
        """What holds after every fault; the seconds until all were gone, and the message."""
        seconds = process.end(since, LIMIT)
        log = process.messages.read_text(errors="replace")
        require(seconds is not None, f"processes were left {LIMIT} s after the fault:\n{log}")
        causes = process.causes()
        ended_well = process.launcher.returncode == 0
        require(ended_well or messages[0] <= len(causes) <= messages[1], f"{len(causes)} messages:\n{log}")
        self.hung_launchers += process.launcher_hung
        self.resume(run, ranks)
        return seconds, "ended before" if ended_well else (causes or ["none"])[0]

    def resume(self, run, ranks):
        if (self.folder / run / "job.toml").exists():
            self.run("info", run)
        other = self.draw.choice([count for count in (1, 2, 3, 4) if count != ranks])
        digest = self.finish(run, other)
        require(digest == self.expected, f"{run}, resumed on {other} ranks: other bits ({digest})")
        left = [path for path in (self.folder / run).rglob("*") if ".tmp" in path.name]
        require(not left, f"{run}: left behind: {left}")
        shutil.rmtree(self.folder / run)


# --- processes ------------------------------------------------------------------------------------------------------


def at_random(bench, number, messages=(1, 1)):
    ranks, run = bench.ranks(), bench.new_run()
    process = bench.start(run, ranks)
    process.wait_for(ranks)
    time.sleep(bench.draw.uniform(0, 2.5))
    since = time.monotonic()
    kill(ranks_of(process.mark).get(bench.draw.randrange(ranks), process.launcher.pid), number)
    return bench.check(run, ranks, process, since, messages)


def within_call(bench, action):
    ranks, run = bench.ranks(), bench.new_run()
    call, path, most = bench.draw.choice([("write", "part-", 40), ("write", "manifest", 12), ("write", "metrics.jsonl", 5), ("fsync", "part-", 6),
                                          ("fsync", "checksums", 4), ("rename", "checksums", 4), ("rename", "epoch-", 4), ("rename", "metrics", 3),
                                          ("open", "part-", 6), ("mkdir", "epoch", 4), ("any", run, 120)])
    rank = 0 if path not in ("part-", run) else bench.draw.randrange(ranks)
    process = bench.start(run, ranks, shim=f"{rank}:{call}:{bench.draw.randint(1, most)}:{path}:{action}")
    return bench.check(run, ranks, process, process.wait_for_fault(ranks))


def launcher_killed(bench):
    ranks, run = bench.ranks(), bench.new_run()
    process = bench.start(run, ranks)
    process.wait_for(ranks)
    time.sleep(bench.draw.uniform(0, 1.5))
    since = time.monotonic()
    process.launcher.kill()
    return bench.check(run, ranks, process, since, messages=(0, 1))


def clock_steps(bench):
    ranks, run = bench.ranks(), bench.new_run()
    jump = bench.draw.choice((-86400, -5, 5, 3600, 86400))
    process = bench.start(run, ranks, shim="0:any:0:/no/file:list", TESSERA_SHIM_CLOCK=f"{bench.draw.uniform(0.2, 2):.2f}:{jump}")
    process.launcher.wait(60)
    require(process.launcher.returncode == 0, process.messages.read_text(errors="replace"))
    seconds, _ = bench.check(run, ranks, process, time.monotonic())
    return seconds, f"{jump:+} s: it goes on"


# --- memory ---------------------------------------------------------------------------------------------------------


class Group:
    """A control group for one rank, of either version."""

    def __init__(self):
        version_1 = Path("/sys/fs/cgroup/memory")
        self.limit, self.peak = ("memory.limit_in_bytes", "memory.max_usage_in_bytes") if version_1.is_dir() else ("memory.max", "memory.peak")
        self.path = (version_1 if version_1.is_dir() else Path("/sys/fs/cgroup")) / f"tessera-faults-{os.getpid()}"
        try:
            self.path.mkdir()
        except OSError as error:
            raise Skip(f"no control groups: {error.strerror}") from error
        if not (self.path / self.limit).exists():
            self.path.rmdir()
            raise Skip("control groups limit no memory here")

    def around(self, rank):
        return ["sh", "-c", f'[ "$OMPI_COMM_WORLD_RANK$PMI_RANK" != {rank} ] || echo $$ >{self.path}/cgroup.procs; exec "$@"', "sh"]

    def remove(self):
        for _ in range(50):
            try:
                self.path.rmdir()
                return
            except OSError:
                time.sleep(0.1)


def out_of_memory(bench):
    ranks, run = bench.ranks(), bench.new_run()
    rank = bench.draw.randrange(ranks)
    group = Group()
    try:
        measured = bench.start(run, ranks, before=group.around(rank), crawl=False)
        require(measured.launcher.wait(60) == 0, "the run that is measured ended badly")
        if not (group.path / group.peak).exists():
            raise Skip("control groups say no peak here")
        peak = int((group.path / group.peak).read_text())
        shutil.rmtree(bench.folder / run)
        (group.path / group.limit).write_text(str(int(peak * bench.draw.uniform(0.3, 0.7))))
        run = bench.new_run()
        process = bench.start(run, ranks, before=group.around(rank))
        return bench.check(run, ranks, process, process.wait_for_fault(ranks))
    finally:
        group.remove()


# --- files ----------------------------------------------------------------------------------------------------------

READY = {}  # what the commands below need


def commands(bench):
    """Name -> words; each makes something new of what is ready."""
    if not READY:
        bench.finish("model", 1)
        READY["is"] = True
    return {"train": ("train", "job.toml", "run.folder=NEW", "-q"), "import": ("import", "triples.tsv", "-o", "NEW"),
            "partition": ("partition", "data.kg", "--parts", "5"), "evaluate": ("evaluate", "model", "--resamples", "0"),
            "predict": ("predict", "model", "--query", "e000", "r1", "-o", "NEW", "--format", "tsv"), "export": ("export", "model", "-o", "NEW"),
            "calibrate": ("calibrate", "model")}


def clean(bench, new):
    for path in (new, "data.kg/parts-5"):
        target = bench.folder / path
        shutil.rmtree(target, ignore_errors=True)
        target.unlink(missing_ok=True)


def kind(path):
    name = re.sub(r"\.tmp-.*$", "", Path(path).name).lstrip(".")
    return re.sub(r"run-\d+|\d+", "#", name)


def file_events(bench):
    """Every (command, call, kind of file), with one name that the kind has."""
    events = []
    for name, words in commands(bench).items():
        new, log = bench.new_run(), bench.folder / "calls"
        log.unlink(missing_ok=True)
        bench.run(*(word.replace("NEW", new) for word in words), LD_PRELOAD=bench.shim, TESSERA_SHIM="0:any:1:/:list", TESSERA_SHIM_LOG=str(log))
        clean(bench, new)
        seen = set()
        for line in log.read_text(errors="replace").splitlines():
            call, path = line.split(" ", 1)
            is_ours = str(bench.folder) in path or not path.startswith("/")
            if is_ours and "calls" not in path and (call, kind(path)) not in seen:
                seen.add((call, kind(path)))
                events.append((name, call, Path(path).name.replace(new, "NEW").split(".tmp-")[0]))
    return events


def file_fails(bench, event, error):
    name, call, path = event
    new = bench.new_run()
    words = [word.replace("NEW", new) for word in commands(bench)[name]]
    before = sorted(bench.folder.iterdir())
    start = time.monotonic()
    done = bench.run(*words, status=None, LD_PRELOAD=bench.shim, TESSERA_SHIM=f"0:{call}:{bench.draw.choice((1, 1, 2))}:{path.replace('NEW', new)}:{error}")
    seconds = time.monotonic() - start
    text = done.stderr.decode(errors="replace")
    causes = [line for line in text.splitlines() if line.startswith("tessera: ")]
    where = f"{name}, {call} of {path}, {error}: status {done.returncode}\n{text}"
    if done.returncode != 0:
        require(done.returncode == 74, where)
        require(len(causes) == 1 and os.strerror(28 if error == "ENOSPC" else 5) in causes[0], where)
    is_whole = done.returncode != 0 and "is whole, but may be lost" in causes[0]
    if name == "train":
        bench.resume(new, 0)
    elif is_whole:
        pass
    elif done.returncode != 0:
        left = [path for path in sorted(bench.folder.iterdir()) if path not in before]
        require(not left, f"{where}\nleft: {left}")
        bench.run(*words)
    else:
        bench.run("info", "model")
    clean(bench, new)
    return seconds, causes[0] if causes else "it goes on"


def disk_full(bench):
    ranks, run = bench.ranks(), bench.new_run()
    small = bench.folder / "small"
    small.mkdir(exist_ok=True)
    size = bench.draw.choice((200, 350, 500))
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", small], capture_output=True).returncode != 0:
        raise Skip("nothing can be mounted here")
    try:
        process = Started([MPIRUN, "-n", ranks, "env", f"TESSERA_FAULT={CRAWL}", bench.program, "train", "job.toml", f"run.folder=small/{run}",
                           "checkpoint.keep=50", "-q"], f"run.folder=small/{run}", bench.folder)
        seconds = process.end(process.wait_for_fault(ranks), WATCHDOG + SLACK)
        log = process.messages.read_text(errors="replace")
        require(seconds is not None and process.launcher.returncode != 0 and len(process.causes()) == 1, log)
        subprocess.run(["mount", "-o", "remount,size=50m", small], check=True)
        bench.resume(f"small/{run}", ranks)
        return seconds, process.causes()[0]
    finally:
        subprocess.run(["umount", "-l", small], check=False)


# --- networks -------------------------------------------------------------------------------------------------------


class Hosts:
    """A Slurm of two hosts, started once."""
    up = None

    @classmethod
    def start(cls):
        if cls.up is None:
            done = subprocess.run([CLUSTER, "up", "2", str(os.getpid())], capture_output=True, text=True)
            cls.up = done.stdout.strip() if done.returncode == 0 else Skip(f"no cluster: {done.stderr.strip().splitlines()[-1]}")
        if isinstance(cls.up, Skip):
            raise cls.up
        os.environ["TESSERA_CLUSTER_DIR"] = cls.up

    @classmethod
    def stop(cls):
        if isinstance(cls.up, str):
            subprocess.run([CLUSTER, "down"], check=False)
        cls.up = None


def over_hosts(bench, what, harmless, messages=(1, 2)):
    Hosts.start()
    run, ranks = bench.new_run(), 2
    if harmless:
        subprocess.run([CLUSTER, what, "c2"], check=True)
    words = ["env", f"TESSERA_FAULT={CRAWL}", bench.program, "train", "job.toml", f"run.folder={run}", "-q"]
    process = Started([CLUSTER, "run", "c1", "srun", "--mpi=pmix", "-N2", "-n2", *words], f"run.folder={run}", bench.folder)
    process.wait_for(ranks)
    try:
        if harmless:
            require(process.launcher.wait(120) == 0, process.messages.read_text(errors="replace"))
            seconds, _ = bench.check(run, ranks, process, time.monotonic())
            return seconds, "it goes on"
        process.wait_for_file(bench.folder / run / "metrics.jsonl")
        since = time.monotonic()
        subprocess.run([CLUSTER, what, "c2"], check=True)
        while ranks_of(process.mark) and time.monotonic() - since < WATCHDOG + SLACK:
            time.sleep(0.05)
        seconds = time.monotonic() - since
        require(not ranks_of(process.mark), f"ranks were left {seconds:.0f} s after the fault: {ranks_of(process.mark)}\n"
                + process.messages.read_text(errors="replace"))
        process.end(time.monotonic(), 60)  # Slurm's own time until it misses a host
        causes = process.causes()
        require(messages[0] <= len(causes) <= messages[1], process.messages.read_text(errors="replace"))
        bench.resume(run, ranks)
        return seconds, causes[0]
    finally:
        if what == "lose":
            Hosts.stop()
        else:
            subprocess.run([CLUSTER, "heal", "c2"], check=False)


# --- the table ------------------------------------------------------------------------------------------------------

AMOUNTS = {"quick": 0, "minutes": 1, "long": 2}


def cases(bench, amount):
    def some(*counts):
        return counts[AMOUNTS[amount]]

    yield "kill -9 of a rank at a random moment", [lambda: at_random(bench, signal.SIGKILL)] * some(3, 12, 100)
    yield "kill -9 within write, fsync, rename", [lambda: within_call(bench, "kill")] * some(3, 12, 100)
    yield "SIGSTOP of a rank at a random moment", [lambda: at_random(bench, signal.SIGSTOP)] * some(1, 4, 30)
    yield "SIGSTOP within write, fsync, rename", [lambda: within_call(bench, "stop")] * some(0, 4, 30)
    yield "launcher killed", [lambda: launcher_killed(bench)] * some(1, 3, 20)
    yield "clock steps", [lambda: clock_steps(bench)] * some(1, 3, 20)
    yield "out of memory in the group of a rank", [lambda: out_of_memory(bench)] * some(1, 3, 20)
    yield "a small disk that is full", [lambda: disk_full(bench)] * some(1, 3, 12)
    events = file_events(bench)
    for error in ("ENOSPC", "EIO"):
        chosen = bench.draw.sample(events, min(len(events), some(6, 1000, 1000)))
        yield f"{error} of calls on files", [lambda event=event, error=error: file_fails(bench, event, error) for event in chosen] * some(1, 1, 4)
    if amount == "quick":
        return
    for what, harmless in (("slow", True), ("lossy", True), ("cut", False), ("lose", False)):
        yield f"two hosts: {what}", [lambda what=what, harmless=harmless: over_hosts(bench, what, harmless)] * some(0, 1, 10)


def measure(title, trials):
    """A row: what was seen, and the violations."""
    seconds, messages, violations, skipped = [], [], [], ""
    for trial in trials:
        try:
            ended, message = trial()
            seconds.append(ended)
            messages.append(message)
        except Skip as reason:
            skipped = str(reason)
            break
        except (Violation, subprocess.TimeoutExpired) as violation:
            violations.append(str(violation))
            print(f"VIOLATION: {title}: {violation}", flush=True)
    return {"case": title, "runs": len(seconds) + len(violations), "seconds": max(seconds, default=0), "violations": len(violations),
            "same": len(seconds), "skipped": skipped, "messages": messages}


def show(row):
    if row["skipped"]:
        return f"{row['case']:<40}  skipped: {row['skipped']}"
    example = next((text for text in row["messages"] if text.startswith("tessera: ")), next(iter(row["messages"]), ""))
    return f"{row['case']:<40} {row['runs']:>5} {max(0.0, row['seconds']):>10.1f} s {row['same']:>5} {row['violations']:>5}   {example[:100]}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("shim")
    parser.add_argument("--amount", choices=AMOUNTS, default="minutes")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    options = parser.parse_args()
    print(f"seed {options.seed}; watchdog {WATCHDOG} s")
    bench = Bench(options.program, options.shim, options.seed)
    rows = []
    try:
        print(f"{'case':<40} {'runs':>5} {'gone after':>12} {'same':>5} {'bad':>5}   a message", flush=True)
        for title, trials in cases(bench, options.amount):
            if options.only in title and trials:
                rows.append(measure(title, trials))
                print(show(rows[-1]), flush=True)
    finally:
        Hosts.stop()
        if not any(row["violations"] for row in rows):
            shutil.rmtree(bench.folder, ignore_errors=True)
        else:
            print(f"kept: {bench.folder}")
    bad = sum(row["violations"] for row in rows)
    if bench.hung_launchers:
        print(f"{bench.hung_launchers} launchers had to be killed after all ranks were gone")
    print(f"{sum(row['runs'] for row in rows)} faults, {bad} violations")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
