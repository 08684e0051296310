"""The long form of `test_crashes.py`: over a hundred kills at random moments, every rename, every size of a disk.

    make crash

It writes how many kills each stage survived. FORESHOT_CRASH_SEED (0) chooses other moments, FORESHOT_CRASH_KILLS (120)
more or fewer of them.
"""

import itertools
import os
import random
import re
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from crashes import PLACES, Killer, Undisturbed, assert_ended_alike, assert_killed, leftovers, place, stage_of_rename
from forked import Forks, KilledAtRename, kill_when
from test_crashes import (
    check_sums,
    comparison,
    export_of,
    files_of,
    fill_step_by_step,
    graph_of,
    require_mounts,
)

from cli_runs import DID, SHOUTED_AT

pytestmark = pytest.mark.slow

SEED = int(os.environ.get("FORESHOT_CRASH_SEED", "0"))
KILLS = int(os.environ.get("FORESHOT_CRASH_KILLS", "120"))  # at random moments of comparisons
EXPORT_KILLS = 20
STAGES = ("planning", "data", "teacher", "targets", "students", "judging", "report")
FEWEST = 5  # kills of each of these


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str, "Counter[str]"], None]:
    """Write a count to the test's output, whether or not pytest captures it."""

    def write(what: str, counted: "Counter[str]") -> None:
        by_stage = ", ".join(f"{stage} {count}" for stage, count in counted.items())
        with capsys.disabled():
            print(f"\n{what}: {counted.total()} survived ({by_stage})")

    return write


def test_killed_at_random_moments(
    forks: Forks,
    small: list[str],
    undisturbed: Undisturbed,
    place_for_runs: Path,
    tell: Callable[[str, "Counter[str]"], None],
) -> None:
    killer = Killer(forks, undisturbed.durations, random.Random(SEED))
    for number in itertools.count():
        if killer.kills.total() >= KILLS and min(killer.kills[stage] for stage in STAGES) >= FEWEST:
            break
        assert number < 20 * KILLS, killer.kills
        runs = place_for_runs / str(number)
        killer.kill_until_it_ends(runs / "run", comparison(small, runs), most=12)
        assert_ended_alike(runs / "run", undisturbed.run)
        shutil.rmtree(runs)
        tell("kills at random moments", killer.kills)


def test_killed_before_and_after_every_rename(
    forks: Forks,
    small: list[str],
    undisturbed: Undisturbed,
    place_for_runs: Path,
    tell: Callable[[str, "Counter[str]"], None],
) -> None:
    kill_at_every_rename(forks, small, undisturbed, place_for_runs, tell)


def test_a_comparison_with_all_that_there_is_killed_at_every_rename(
    forks: Forks,
    small: list[str],
    place_for_runs: Path,
    tell: Callable[[str, "Counter[str]"], None],
) -> None:
    """LoRA on a cut teacher, measured layers, tuned rates, texts without labels, identity groups, people's marks."""
    files = place_for_runs / "files"
    files.mkdir()
    (files / "more.txt").write_text("".join(f"{who} {did} that song\n" for who in SHOUTED_AT for did in DID[:2]))
    (files / "terms.csv").write_text("group,term\ncooks,cook\nmayors,mayor\n")
    (files / "marks.jsonl").write_text('{"text": "the stupid cook read", "spans": [4, 5, 6, 7, 8, 9]}\n')
    asked = [
        *small,
        *("--recipes", "odd,odd-lora,lora-distil", "--layers", "influence:1", "--tune-lr"),
        *("--unlabelled", str(files / "more.txt"), "--identity-terms", str(files / "terms.csv")),
        *("--rationales", str(files / "marks.jsonl"), "--set", "checkpoint_seconds=60"),
        *("--set", "tune_learning_rates=[0.001, 0.01]", "--set", "explanations.texts=3"),
    ]
    run = place_for_runs / "undisturbed" / "run"
    ended = forks.run("compare", *asked, "--name", "run", "--runs", run.parent)
    assert ended.exit_code == 0, ended.stderr
    kill_at_every_rename(forks, asked, Undisturbed(run, {}, ended.renames), place_for_runs / "killed", tell)


def kill_at_every_rename(
    forks: Forks,
    asked: list[str],
    undisturbed: Undisturbed,
    runs: Path,
    tell: Callable[[str, "Counter[str]"], None],
) -> None:
    """One process after another gets one rename further than the one before; the last one ends as it should."""
    counted: Counter[str] = Counter()
    for target in undisturbed.renames:
        to = re.sub(r".*\.tmp/", ".tmp/", target.removeprefix(str(undisturbed.run)))  # such a folder's name is random
        for when in ("before", "after"):
            assert_killed(forks.run(*comparison(asked, runs), fault=KilledAtRename(1, when, to=to)))
            counted[stage_of_rename(target, undisturbed.run)] += 1
        if counted.total() % 20 == 0:
            tell("kills at renames, so far", counted)
    ended = forks.run(*comparison(asked, runs))
    assert ended.exit_code == 0, ended.stderr
    assert_ended_alike(runs / "run", undisturbed.run)
    tell("kills at renames", counted)


def test_signals_at_every_place(forks: Forks, small: list[str], undisturbed: Undisturbed, place_for_runs: Path) -> None:
    """Each ends the process in one line, in whatever it is at; then the next goes on."""
    run = place_for_runs / "run"
    ends: Counter[int] = Counter()

    def send_at(wanted: int, number: signal.Signals) -> Callable[[int], None]:
        return lambda pid: kill_when(lambda: place(run, pid) >= wanted, number=number)(pid)

    for wanted in sorted(undisturbed.durations.keys() - {0}):  # a process that has only just begun may die of them
        for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
            ended = forks.run(*comparison(small, place_for_runs), meanwhile=send_at(wanted, number))
            assert ended.exit_code in {0, code}, (PLACES[wanted], ended.stderr)
            if ended.exit_code:
                assert re.fullmatch(r"foreshot: (stopped|interrupted)[^\n]*\n", ended.stderr), ended.stderr
                assert set(leftovers(place_for_runs)) <= {"run/checkpoints"}
            ends[ended.exit_code] += 1
    assert ends[143] > 5
    assert ends[130] > 5
    ended = forks.run(*comparison(small, place_for_runs))
    assert ended.exit_code == 0, ended.stderr
    assert_ended_alike(run, undisturbed.run)


def test_every_size_of_a_disk(
    forks: Forks,
    small: list[str],
    undisturbed: Undisturbed,
    place_for_runs: Path,
    tell: Callable[[str, "Counter[str]"], None],
) -> None:
    """A disk that grows by a page at a time is full at one write after another, of whatever begins a new page."""
    require_mounts(place_for_runs)
    said = fill_step_by_step(forks, small, undisturbed, place_for_runs, [*range(4, 8_000, 4)])
    assert len(said) > 100
    tell("writes without room", Counter({"disk": len(said)}))


def test_exports_killed_at_random_moments_and_at_every_rename(
    forks: Forks,
    undisturbed: Undisturbed,
    place_for_runs: Path,
    tell: Callable[[str, "Counter[str]"], None],
) -> None:
    bundle, rng = place_for_runs / "bundle", random.Random(SEED)
    commands = [export_of(undisturbed, student, bundle) for student in ("odd", "lora")]
    options = {"patches": [f"graphs:keep_in:{place_for_runs / 'graphs'}"]}
    graphs, counted = [], Counter[str]()
    for command in commands * 2:  # once more, now that both graphs are known
        whole = forks.run(*command, **options)
        assert whole.exit_code == 0, whole.stderr
        graphs.append(graph_of(bundle))
    kept = set(files_of(bundle))
    turns = itertools.cycle(commands)  # each in the other's place

    def check() -> None:
        check_sums(bundle)
        assert graph_of(bundle) in graphs
        assert set(files_of(bundle)) == kept

    for number in range(1, len(whole.renames) + 1):
        for when in ("before", "after"):
            assert_killed(forks.run(*next(turns), fault=KilledAtRename(number, when), **options))
            check()
            counted["export, at a rename"] += 1
    while counted["export"] < EXPORT_KILLS:
        wait = rng.uniform(0, whole.seconds)
        ended = forks.run(*next(turns), meanwhile=kill_when(lambda: True, then_wait=wait), **options)
        counted["export"] += ended.was_killed
        check()
    assert forks.run(*next(turns), **options).exit_code == 0
    assert leftovers(place_for_runs) == []
    tell("kills", counted)
