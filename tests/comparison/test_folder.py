"""The run's folder: for one process at a time, and for one experiment only."""

import errno
import os

import pytest

from foreshot.comparison.folder import LOCK_FILE, at_work, check_free, open_run
from foreshot.errors import RunFolderError
from foreshot.files.atomic import write_atomically
from foreshot.files.stages import building
from foreshot.results.run_folder import EXPERIMENT_FILE, TEACHER_FOLDER, read_run
from foreshot.settings.experiment import dump_experiment, make_experiment
from foreshot.settings.recipes import RECIPES

LEAST = {"name": "run", "data": "a.csv", "encoder": "some/encoder"}


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_process_that_is_at_work_rids_the_run_of_what_killed_ones_left(tmp_path):
    run = tmp_path / "run"
    (run / "students" / "odd" / ".seed-0.x1y2z3a4.tmp").mkdir(parents=True)
    (run / "teacher" / "scores").mkdir(parents=True)
    (run / "teacher" / "scores" / ".asked.safetensors.4711.tmp").write_bytes(b"half")
    (run / ".targets.x1y2z3a4.old").mkdir()
    (run / ".hidden").write_text("mine")
    (run / ".experiment.yaml.4711.tmp").write_text("name: r")
    write_atomically(run / EXPERIMENT_FILE, dump_experiment(make_experiment(LEAST)))
    with at_work(run, make_experiment(LEAST)):
        assert names(run) == {EXPERIMENT_FILE, LOCK_FILE, "students", "teacher", "targets", ".hidden"}
        assert names(run / "students" / "odd") == names(run / "teacher" / "scores") == set()
        with pytest.raises(RunFolderError, match=rf"process {os.getpid()} is at work on it; wait for its end, or cho"):
            check_free(run)
    check_free(run)
    assert LOCK_FILE not in names(run)


def test_no_lock_is_put_into_a_strangers_folder(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(RunFolderError, match="is not a run's folder"), at_work(tmp_path, make_experiment(LEAST)):
        pass
    assert names(tmp_path) == {"thesis.tex"}


def test_a_process_killed_before_it_wrote_what_was_asked_left_no_strangers_folder(tmp_path):
    (tmp_path / LOCK_FILE).write_text("4711\n")
    with at_work(tmp_path, make_experiment(LEAST)):
        pass
    assert names(tmp_path) == {EXPERIMENT_FILE}


def test_without_locks_a_killed_process_may_look_alive_and_the_line_says_what_to_do(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", no_locks)
    (tmp_path / LOCK_FILE).write_text("4711\n")
    with (
        pytest.raises(RunFolderError, match=r"process 4711 is at work on it \(it was killed\?.* remove \.lock"),
        at_work(tmp_path, make_experiment(LEAST)),
    ):
        pass
    (tmp_path / LOCK_FILE).unlink()
    with at_work(tmp_path, make_experiment(LEAST)):
        assert names(tmp_path) == {EXPERIMENT_FILE, LOCK_FILE}
    assert names(tmp_path) == {EXPERIMENT_FILE}


def test_a_run_is_made_and_read(tmp_path):
    experiment = make_experiment({**LEAST, "seeds": [3, 1]})
    open_run(tmp_path / "runs" / "run", experiment)
    assert read_run(tmp_path / "runs" / "run") == experiment
    open_run(tmp_path / "runs" / "run", experiment)
    assert names(tmp_path / "runs" / "run") == {EXPERIMENT_FILE}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"data": "b.csv"}, r'\(data: "a\.csv" there, "b\.csv" now\)'),
        ({"encoder": "other/encoder"}, r"\(encoder: "),
        ({"teacher": "folder"}, r'\(teacher: null there, "folder" now\)'),
        ({"training": {"epochs": 9}}, r"\(training: "),
        ({"distillation": {"temperature": 9}}, r"\(distillation: "),
        ({"lora": {"rank": 9}}, r"\(lora: "),
        ({"positive": ["1"]}, r"\(positive: "),
        ({"test_fraction": 0.5}, r"\(test_fraction: 0\.2 there, 0\.5 now\)"),
        ({"max_train_rows": 10}, r"\(max_train_rows: null there, 10 now\)"),
        ({"seeds": [1, 0]}, r"was made with first seed 0, .* 1 was asked for"),
    ],
)
def test_another_experiment_is_refused_by_the_field_and_nothing_changes(tmp_path, changed, message):
    open_run(tmp_path, make_experiment(LEAST))
    with building(tmp_path / TEACHER_FOLDER, "abc"):
        pass
    before = (tmp_path / EXPERIMENT_FILE).read_bytes()
    with pytest.raises(RunFolderError, match=message) as caught:
        open_run(tmp_path, make_experiment({**LEAST, **changed}))
    assert "choose another name" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (tmp_path / EXPERIMENT_FILE).read_bytes() == before


def test_until_the_teacher_is_finished_any_setting_may_change(tmp_path):
    open_run(tmp_path, make_experiment(LEAST))
    longer = make_experiment({**LEAST, "training": {"epochs": 9}, "seeds": [1, 0]})
    open_run(tmp_path, longer)
    assert read_run(tmp_path) == longer


@pytest.mark.parametrize(
    "changed",
    [{"recipes": ["odd", "even-lora"]}, {"seeds": [0, 1, 2]}, {"probes": "p.txt"}, {"name": "moved"}],
)
def test_more_recipes_seeds_and_probes_may_be_asked_for(tmp_path, changed):
    open_run(tmp_path, make_experiment({**LEAST, "recipes": [RECIPES["odd"]]}))
    more = make_experiment({**LEAST, "recipes": [RECIPES["odd"]], **changed})
    open_run(tmp_path, more)
    assert read_run(tmp_path) == more


def test_an_empty_folder_becomes_a_run_and_another_folder_does_not(tmp_path):
    (tmp_path / "empty").mkdir()
    open_run(tmp_path / "empty", make_experiment(LEAST))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("mine")
    with pytest.raises(RunFolderError, match=r"exists and is not a run's folder \(it has no experiment\.yaml\)"):
        open_run(tmp_path / "other", make_experiment(LEAST))
    assert names(tmp_path / "other") == {"thesis.tex"}
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunFolderError, match="exists and is not a run's folder"):
        open_run(tmp_path / "file", make_experiment(LEAST))
    with pytest.raises(RunFolderError, match="is not a run's folder"):
        read_run(tmp_path / "other")
    with pytest.raises(RunFolderError, match="is not a run's folder"):
        read_run(tmp_path / "missing")


def test_what_was_left_by_a_process_killed_at_its_first_write_is_no_strangers_folder(tmp_path):
    (tmp_path / ".experiment.yaml.4711.tmp").write_text("name: r", encoding="utf-8")
    open_run(tmp_path, make_experiment(LEAST))
    assert read_run(tmp_path) == make_experiment(LEAST)
