"""What the tests of crashes ask of a run: where it is, whether it was left clean, and whether it ended as it should."""

import hashlib
import itertools
import json
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forked import Ended, Forks, is_running, send
from safetensors.numpy import load_file

from cli_runs import comparable

MODELS = ("teacher", "students/odd/seed-0", "students/lora/seed-0")
PLACES = (
    *("planning", "data", "teacher", "targets"),
    *("judging", "students", "judging", "students", "judging", "judging"),  # teacher, odd, odd, lora, lora, all
    *("report", "end"),
)
"""The stages of a comparison with the recipes odd and lora, in their order; `place` gives an index."""
TIMES = ("seconds", "cpu_seconds", "peak_memory", "at")


def place(run: Path, pid: int) -> int:
    """Where a process is in its comparison, told from the run's folder."""
    try:
        if (run / ".lock").read_text(encoding="ascii").strip() != str(pid):
            return 0
    except OSError:
        return 0
    for index, stage in enumerate(("data", "teacher", "targets"), 1):
        if not (run / stage / ".finished").exists():
            return index
    at = 4
    for model in MODELS:
        folder = run / model
        if model != "teacher":
            if not (folder / ".finished").exists():
                return at
            at += 1
        if not (folder / "scores" / "asked.safetensors").exists():
            return at
        at += 1
    if not (run / "results.json").exists():
        return at
    return at + 1 if not (run / "report.html").exists() else at + 2


def leftovers(folder: Path) -> list[str]:
    """Whatever an ended process should not have left: temporary names, locks, checkpoints."""
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.name.endswith((".tmp", ".old")) or path.name in {".lock", "checkpoints"}
    ]


def contents_but_times(run: Path) -> dict[str, Any]:
    """Every file of a run by its name: what must be equal however often the run was killed."""
    found: dict[str, Any] = {}
    for path in sorted(run.rglob("*")):
        name = str(path.relative_to(run))
        if path.is_dir() or path.name in {"report.md", "report.html"}:
            found[name] = None
        elif name == "results.json":
            found[name] = comparable(run)
        elif path.name in {"training.json", "registration.json"}:
            record = json.loads(path.read_text(encoding="utf-8"))
            found[name] = {key: value for key, value in record.items() if key not in TIMES}
        elif path.parent.name == "scores":  # their metadata has the seconds that they took
            found[name] = {asked: logits.tobytes() for asked, logits in load_file(path).items()}
        else:
            found[name] = hashlib.sha256(path.read_bytes().replace(str(run).encode(), b"RUN")).hexdigest()
    return found


def assert_ended_alike(run: Path, undisturbed: Path) -> None:
    """Nothing is left behind, and every file is that of the run that nobody disturbed."""
    left = leftovers(run.parent)
    assert not left, left
    found, expected = contents_but_times(run), contents_but_times(undisturbed)
    assert found.keys() == expected.keys(), found.keys() ^ expected.keys()
    different = [name for name in found if found[name] != expected[name]]
    assert not different, different


@dataclass(frozen=True)
class Undisturbed:
    """The run that nobody disturbed: its folder, how long it was at each place, and the renames that it did."""

    run: Path
    durations: dict[int, float]
    renames: list[str]


@dataclass
class Timeline:
    """For `meanwhile`: when a process that nobody disturbs comes to each place, in seconds."""

    run: Path
    began: dict[int, float] = field(default_factory=dict)

    def __call__(self, pid: int) -> None:
        start = time.monotonic()
        while is_running(pid):
            self.began.setdefault(place(self.run, pid), time.monotonic() - start)
            time.sleep(0.002)
        self.began[len(PLACES)] = time.monotonic() - start

    def durations(self) -> dict[int, float]:
        places = sorted(self.began)
        return {at: self.began[after] - self.began[at] for at, after in itertools.pairwise(places)}


@dataclass
class Killer:
    """Kills a command at random moments until it ends; `kills` counts them by stage."""

    forks: Forks
    durations: dict[int, float]
    rng: random.Random
    kills: Counter[str] = field(default_factory=Counter)

    def kill_until_it_ends(self, run: Path, command: Sequence[object], *, most: int) -> int:
        """Run a comparison, kill it at a random moment of a random stage, and so on; the `most`th may live."""
        for killed in range(most):
            ended = self.forks.run(*command, meanwhile=self._kill_somewhere(run))
            if not ended.was_killed:
                assert ended.exit_code == 0, ended.stderr
                return killed
        ended = self.forks.run(*command)
        assert ended.exit_code == 0, ended.stderr
        return most

    def _kill_somewhere(self, run: Path) -> Callable[[int], None]:
        target = self.rng.choice(sorted(self.durations))
        wait = self.rng.uniform(0, self.durations[target])

        def kill(pid: int) -> None:
            while place(run, pid) < target:
                if not is_running(pid):
                    return
                time.sleep(0.001)
            time.sleep(wait)
            if is_running(pid):
                self.kills[PLACES[place(run, pid)]] += 1
                send(pid, signal.SIGKILL)

        return kill


def stage_of_rename(target: str, run: Path) -> str:
    """The stage that a rename belongs to."""
    name = target.removeprefix(f"{run}/")
    if name.startswith("checkpoints/"):
        return "checkpoint"
    if "/scores/" in name or name.endswith(("decision.json", "metrics.json")):
        return "judging"
    if name.startswith(("report", "results", "flips")):
        return "report"
    first = name.removeprefix(".").split("/")[0].split(".")[0]
    return {"experiment": "planning", "environment": "planning"}.get(first, first)


def assert_killed(ended: Ended) -> None:
    assert ended.was_killed, (ended.exit_code, ended.stderr)


def see_room(_: str) -> None:
    """For a fork: a comparison that never finds the disk too small before it begins."""
    from foreshot.comparison import compare

    compare.check_room = lambda *_: None  # type: ignore[attr-defined, assignment]
