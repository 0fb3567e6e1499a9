"""Every state that the files of a run go through, and what the next run makes of each.

A process that is killed leaves its files as they are between two operations on them. One run is
watched (Python's audit events tell of each operation before it happens), and each state that
differs from the one before is copied. This is cheaper than to kill a run at each of these moments,
and no moment is missed. The runs are forks of one process that has imported and compiled all.
"""

import hashlib
import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from fault_runs import without_time
from watched import Hook, watch

RUN_ID = re.compile(r"\d{8}T\d{6}\.\d{6}Z_[0-9a-f]{8}")
NODE_HASH = re.compile(r"_0x[0-9a-f]{32}")
# what differs between two runs of the same: times, and the inside of the work directory
UNLIKE = ("log", ".work", "work", ".lock")
IN_WORK = re.compile(r"(?<=\.work/).*")
TELLING = ("half of", "os.rename", "os.remove", "os.rmdir")
PATIENCE_SECONDS = 3.0


def in_fork(arguments: Sequence[str], log: Path, hook: tuple[Path, Hook] | None = None) -> int:
    """Run the app in a fork of this process; its process id."""
    pid = os.fork()
    if pid:
        return pid
    code = 99
    try:
        os.setsid()
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        sys.argv = ["bids_rsa", *arguments]
        if hook is not None:
            watch(*hook)
        from bids_rsa.cli import main

        code = main()
        sys.stdout.flush()
    finally:
        os._exit(code)


def exit_code(pid: int) -> int:
    """Wait for a fork to end."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@dataclass(frozen=True)
class Content:
    """A file as it is: its hash, size and inode."""

    hash: str
    size: int
    inode: int


def contents(place: Path, known: dict[tuple[int, ...], str]) -> dict[str, Content]:
    """All files and folders below a folder (those of a folder are its permissions)."""
    found = {}
    for path in sorted(place.rglob("*")):
        stat, name = path.lstat(), str(path.relative_to(place))
        if not path.is_file():
            found[name] = Content(oct(stat.st_mode), 0, stat.st_ino)
            continue
        key = (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_mode)
        if key not in known or time.time_ns() - stat.st_mtime_ns < 10**8:
            known[key] = hashlib.sha256(without_time(path)).hexdigest() + oct(stat.st_mode)
        found[name] = Content(known[key], stat.st_size, stat.st_ino)
    return found


def without_logs(found: dict[str, Content]) -> dict[str, str]:
    """What tells one state from another."""
    return {name: one.hash for name, one in found.items() if not name.endswith(".log")}


def kind(event: str, path: str) -> tuple[str, ...]:
    """What is alike at many moments: the operation that is to come, the folder, the extension."""
    folder = IN_WORK.sub("", RUN_ID.sub("RUN", str(Path(path).parent)))
    name = NODE_HASH.sub("_0xHASH", Path(path).name)
    return event, folder, name if name.startswith("_0x") else Path(name).suffix


class Recorder:
    """Copies states that the files below ``place`` go through into folders of ``states``.

    Either all of them, or one of each kind, of those in which something has just been written or
    removed.
    """

    def __init__(self, place: Path, states: Path, all_states: bool) -> None:
        self.place, self.states, self.all_states = place, states, all_states
        self.kinds: set[tuple[str, ...]] = set()
        self.known: dict[tuple[int, ...], str] = {}
        self.last = contents(place, self.known)
        self.count = 0
        states.mkdir(parents=True)

    def __call__(self, event: str, path: str) -> None:
        """Keep the state before an operation, and those in the middle of what was written."""
        found = contents(self.place, self.known)
        if without_logs(found) == without_logs(self.last):
            return
        grown = [
            name
            for name, one in found.items()
            if one.size > 1
            and not name.endswith(".log")
            and one.size > self.last.get(name, Content("", 0, 0)).size
            and one.inode not in {other.inode for other in self.last.values() if other.size}
        ]
        for name in grown:
            torn = self._copied("half of", name)
            if torn is not None:
                os.truncate(torn / name, found[name].size // 2)
        self._copied(event, path)
        self.last = found

    def _copied(self, event: str, path: str) -> Path | None:
        """Copy all that is there, if it is wanted."""
        self.count += 1
        if not self.all_states:
            own = kind(event, path)
            if event not in TELLING or own in self.kinds:
                return None
            self.kinds.add(own)
        state = self.states / f"{self.count:04}"
        shutil.copytree(self.place, state / "files", symlinks=True)
        (state / "next.txt").write_text(f"{self.count} {event} {path}")
        return state / "files"


def replace_with(place: Path, files: Path) -> None:
    """Make a folder what another one is, times included."""
    if place.exists():
        shutil.rmtree(place)
    shutil.copytree(files, place, symlinks=True)


def is_unlike(name: str) -> bool:
    """Whether a file differs between two runs of the same."""
    parts = Path(name).parts
    return parts[0] == "work" or bool(set(parts) & set(UNLIKE))


def outcome(place: Path) -> dict[str, str]:
    """What lies there at the end: names without the ids of runs and nodes, and hashes."""
    return {
        NODE_HASH.sub("_0xHASH", RUN_ID.sub("RUN", name)): "" if is_unlike(name) else one.hash
        for name, one in contents(place, {}).items()
    }


def half_logs(place: Path) -> list[str]:
    """Folders of logs that lack the log or the settings."""
    folders = (path for path in place.rglob("log/*") if RUN_ID.fullmatch(path.name))
    return [
        str(path)
        for path in folders
        if {one.name for one in path.iterdir()} != {"bids_rsa.log", "bids_rsa.toml"}
    ]


def differences(expected: dict[str, str], found: dict[str, str]) -> list[str]:
    """Tell in words in what an outcome is another."""
    lost = [f"lost {name}" for name in sorted(expected.keys() - found.keys())]
    left = [f"left {name}" for name in sorted(found.keys() - expected.keys())]
    both = expected.keys() & found.keys()
    return [*lost, *left, *(f"other {n}" for n in sorted(both) if expected[n] != found[n])]


@dataclass(frozen=True)
class Campaign:
    """A command, the folder it works in, and that folder as it is before."""

    arguments: tuple[str, ...]
    place: Path
    before: Path
    room: Path

    def undisturbed(self) -> dict[str, str]:
        """Run it once; what lies there then."""
        replace_with(self.place, self.before)
        self._check(in_fork(self.arguments, self.room / "undisturbed.txt"))
        return outcome(self.place)

    def record(self, all_states: bool) -> list[Path]:
        """Run it while it is watched; states that its files went through, see `Recorder`."""
        replace_with(self.place, self.before)
        recorder = Recorder(self.place, self.room / "states", all_states)
        self._check(in_fork(self.arguments, self.room / "record.txt", (self.place, recorder)))
        return sorted((self.room / "states").iterdir())

    def resumed(self, state: Path, expected: dict[str, str]) -> list[str]:
        """Run it again from a state; what is wrong then."""
        replace_with(self.place, state / "files")
        log = self.room / "resumed.txt"
        code = exit_code(in_fork(self.arguments, log))
        text = log.read_text()
        wrong = [] if code == 0 else [f"exit code {code}: {text[-2000:]}"]
        if "Traceback" in text:
            wrong.append(f"Traceback: {text[-2000:]}")
        wrong += differences(expected, outcome(self.place))
        return wrong + [f"half log {path}" for path in half_logs(self.place)]

    def _check(self, pid: int) -> None:
        """Check that a run went well."""
        if code := exit_code(pid):
            logs = "".join(path.read_text() for path in sorted(self.room.glob("*.txt")))
            raise RuntimeError(f"exit code {code}:\n{logs}")


@dataclass
class Disturbance:
    """What happens to a run before its operation number ``at``; notes what that was to be."""

    at: int
    signal_number: int
    note: Path
    seen: int = 0

    def __call__(self, event: str, path: str) -> None:
        """Count an operation; send the signal to this process once it is time."""
        if self.seen == self.at:
            self.note.write_text(f"{self.at} {event} {path}")
            os.kill(os.getpid(), self.signal_number)
        self.seen += 1


def signalled(campaign: Campaign, number: int, every: int) -> Iterator[tuple[str, list[str]]]:
    """Send a signal before every so many operations; what was to come then, and what is wrong."""
    note, log = campaign.room / "at.txt", campaign.room / "signalled.txt"
    for at in count(step=every):
        replace_with(campaign.place, campaign.before)
        note.unlink(missing_ok=True)
        hook = Disturbance(at, number, note)
        code = exit_code(in_fork(campaign.arguments, log, (campaign.place, hook)))
        if not note.exists():
            return
        wrong = [] if code == 128 + number else [f"exit code {code}: {log.read_text()[-2000:]}"]
        if "Traceback" in log.read_text():
            wrong.append(f"Traceback: {log.read_text()[-2000:]}")
        wrong += [f"left {path}" for path in campaign.place.rglob(".partial-*")]
        yield note.read_text(), wrong


def beside(
    campaign: Campaign, other: Sequence[str], expected: dict[str, str], every: int
) -> Iterator[tuple[str, list[str]]]:
    """Stop a run before every so many operations while another runs; what is wrong at the end."""
    note = campaign.room / "at.txt"
    logs = [campaign.room / "first.txt", campaign.room / "second.txt"]
    for at in count(step=every):
        replace_with(campaign.place, campaign.before)
        note.unlink(missing_ok=True)
        hook = Disturbance(at, signal.SIGSTOP, note)
        first = in_fork(campaign.arguments, logs[0], (campaign.place, hook))
        if not os.WIFSTOPPED(os.waitpid(first, os.WUNTRACED)[1]):
            return
        second = in_fork(other, logs[1])
        end = time.monotonic() + PATIENCE_SECONDS  # the first may hold what the second waits for
        while (ended := os.waitpid(second, os.WNOHANG))[0] == 0 and time.monotonic() < end:
            time.sleep(0.01)
        os.kill(first, signal.SIGCONT)
        codes = [exit_code(first)]
        codes.append(os.waitstatus_to_exitcode(ended[1]) if ended[0] else exit_code(second))
        wrong = [
            f"{log.name}: exit code {code}: {log.read_text()[-2000:]}"
            for code, log in zip(codes, logs, strict=True)
            if code or "Traceback" in log.read_text()
        ]
        wrong += differences(expected, outcome(campaign.place))
        yield note.read_text(), wrong + [f"half log {path}" for path in half_logs(campaign.place)]


def load_all(arguments: Sequence[str], room: Path) -> None:
    """Import all that a run uses and compile its kernels, by a run in this process."""
    from bids_rsa.cli import main

    descriptors = os.dup(1), os.dup(2)
    null = os.open(room / "loading.txt", os.O_WRONLY | os.O_CREAT)
    os.dup2(null, 1)
    os.dup2(null, 2)
    try:
        if code := main(list(arguments)):
            raise RuntimeError(f"exit code {code}: {(room / 'loading.txt').read_text()}")
    finally:
        sys.stdout.flush()
        os.dup2(descriptors[0], 1)
        os.dup2(descriptors[1], 2)


def report(spec: dict[str, Any]) -> dict[str, Any]:
    """Disturb a run in all ways at some moments; what was tried, and what was wrong."""
    room, place = Path(spec["room"]), Path(spec["room"]) / "place"
    before = Path(spec["before"])
    arguments = [argument.format(out=place / "out") for argument in spec["arguments"]]
    replace_with(room / "loaded", before)
    load_all([argument.format(out=room / "loaded" / "out") for argument in spec["arguments"]], room)
    campaign = Campaign(tuple(arguments), place, before, room)
    expected = campaign.undisturbed()
    killed = {
        (state / "next.txt").read_text(): campaign.resumed(state, expected)
        for state in campaign.record(all_states=False)
    }
    terminated = dict(signalled(campaign, signal.SIGTERM, spec["signal_every"]))
    together = dict(beside(campaign, arguments, expected, spec["beside_every"]))
    return {"killed": killed, "terminated": terminated, "beside": together}


if __name__ == "__main__":
    json.dump(report(json.loads(Path(sys.argv[1]).read_text())), sys.stdout)
