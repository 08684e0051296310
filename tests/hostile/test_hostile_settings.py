"""Settings from strangers: YAML of an experiment, of a server, of a run's folder; results and manifests, mutated."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_bundles import tiny_bundle

from foreshot.errors import BundleError, ConfigError, ForeshotError
from foreshot.runtime.bundle import CARD_FILE, FP32_GRAPH, MANIFEST_FILE, SUMS_FILE, TOKENIZER_FILE, sums_of
from foreshot.runtime.classifier import load
from foreshot.settings.experiment import dump_experiment, make_experiment
from foreshot.settings.reading import DEEPEST, load_settings, parse_yaml
from peak_memory import peak_memory

Foreshot = Callable[..., Any]
GOOD = "data: gone.csv\nencoder: gone\n"
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 9)}]\n" for before, after in zip("abcdefg", "bcdefgh", strict=True)
)

BAD_SETTINGS: dict[str, tuple[str | bytes, str]] = {
    "a billion laughs": (GOOD + LAUGHS + "positive: *h\n", "line 4: has an alias; write its value out"),
    "a list in itself": (GOOD + "positive: &a [*a]\n", "line 3: has an alias"),
    "settings in themselves": ("&a\ndata: x\ntraining: *a\n", "line 3: has an alias"),
    "a merge": (GOOD + "x: &x {a: 1}\n<<: *x\n", "line 4: has an alias"),
    "a hundred thousand levels": (GOOD + "seeds: " + "[" * 100_000, "has more than 20 levels"),
    "three hundred levels": (GOOD + "seeds: " + "[" * 300 + "]" * 300, "has more than 20 levels"),
    "a thousand groups": (GOOD + "training: " + "{a: " * 1000 + "1" + "}" * 1000, "has more than 20 levels"),
    "levels by columns": (GOOD + "".join(" " * n + "a:\n" for n in range(100)), "has more than 20 levels"),
    "a number of 5000 digits": (GOOD + f"seeds: [{'9' * 5000}]\n", "holds a value that can't be read"),
    "a month that isn't": (GOOD + "name: 2001-99-99\n", "holds a value that can't be read (month must be in 1..12)"),
    "a time zone that isn't": (GOOD + "name: 2001-12-14t21:59:43.10-99:99\n", "holds a value that can't be read"),
    "a date": (GOOD + "name: 2001-01-01\n", "name: Input should be a valid string"),
    "no bits": (GOOD + "seeds: [0b_]\n", "holds a value that can't be read"),
    "no number": (GOOD + 'seeds: [!!int ""]\n', "holds a value that can't be read"),
    "no truth": (GOOD + "skip_bad_rows: !!bool perhaps\n", "holds a value that can't be read"),
    "no time": (GOOD + "name: !!timestamp soon\n", "holds a value that can't be read"),
    "too many minutes": (GOOD + f"training: {{learning_rate: 1{':59' * 3000}.5}}\n", "holds a value that can't be"),
    "a call": (GOOD + "name: !!python/object/apply:os.getcwd []\n", "is not YAML"),
    "a name of Python's": (GOOD + "name: !!python/name:os.system\n", "is not YAML"),
    "a module": (GOOD + "name: !!python/module:os\n", "is not YAML"),
    "an unknown tag": (GOOD + "name: !evil x\n", "is not YAML"),
    "a list for a name": (GOOD + "? [a]\n: 1\n", "is not YAML"),
    "a number for a name": (GOOD + "1: 2\n", "1: "),
    "two documents": (f"{GOOD}---\n{GOOD}", "is not YAML"),
    "a control character": (GOOD + "name: \x07\n", "is not YAML"),
    "a tab": (GOOD + "\tname: x\n", "is not YAML"),
    "nothing": ("", "must hold settings as 'name: value' lines"),
    "a text": ("hello", "must hold settings as 'name: value' lines"),
    "UTF-16": (GOOD.encode("utf-16"), "can't be read as UTF-8 text"),
    "Latin-1": ("name: café".encode("latin-1"), "can't be read as UTF-8 text"),
    "NULs": (b"\0" * 100, "is not YAML"),
    "a megabyte": (GOOD + "#" * 2**20, "can't be read (is larger than 262,144 bytes)"),
    "endless rate": (GOOD + "training: {learning_rate: .inf}\n", "training.learning_rate"),
    "no rate": (GOOD + "training: {learning_rate: .nan}\n", "training.learning_rate"),
    "epochs beyond count": (GOOD + "training: {epochs: 1.0e+300}\n", "training.epochs"),
    "objects for labels": (GOOD + "suite_labels: {a: {b: c}}\n", "suite_labels.a"),
    "a way out": (GOOD + "name: ../../elsewhere\n", "name: must be letters"),
    "a template": (GOOD + "name: '{{7*7}}'\n", "name: must be letters"),
    "a NUL for data": ('data: "a\\0b.csv"\nencoder: gone\n', "no such file"),
    "a name of 5000 letters": (f"data: {'x' * 5000}\nencoder: gone\n", "can't be read"),
    "3,000 seeds": (GOOD + f"seeds: [{','.join(map(str, range(3_000)))}]\n", "gone.csv: no such file"),
}  # fmt: skip


def one_line(result: Any) -> str:
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 2
    assert result.stderr.startswith("foreshot: ")
    assert result.stderr[:-1].isprintable()
    return str(result.stderr)


@pytest.mark.parametrize("case", BAD_SETTINGS)
def test_bad_settings_end_in_one_line(foreshot: Foreshot, tmp_path: Path, case: str) -> None:
    written, said = BAD_SETTINGS[case]
    path = tmp_path / "asked.yaml"
    path.write_bytes(written if isinstance(written, bytes) else written.encode())
    assert said in one_line(foreshot("compare", path, "--runs", tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()
    assert str(path) in one_line(foreshot("serve", tmp_path / "no-bundle", "--config", path))
    run = tmp_path / "run"
    run.mkdir()
    path.rename(run / "experiment.yaml")
    one_line(foreshot("compare", run))


def test_a_bomb_of_settings_takes_no_memory(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD + LAUGHS)
    with peak_memory() as peak, pytest.raises(ConfigError):
        load_settings(tmp_path / "a.yaml")
    assert peak.megabytes < 50


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), Path.mkdir])
def test_settings_that_are_no_file(foreshot: Foreshot, tmp_path: Path, make: Callable[[Path], object]) -> None:
    path = tmp_path / "a.yaml"
    make(path)
    line = one_line(foreshot("serve", tmp_path / "no-bundle", "--config", path))
    assert "a.yaml: can't be read (" in line


@pytest.mark.parametrize("value", ["[" * 1000, "2001-99-99", "&a [*a]", "9" * 5000, "!!python/name:os.system"])
def test_a_bad_value_of_set(foreshot: Foreshot, value: str) -> None:
    assert "--set positive" in one_line(foreshot("compare", "--data", "x", "--set", f"positive={value}"))


def test_ours_are_far_from_the_limits() -> None:
    experiment = make_experiment({"name": "a", "data": "demo", "encoder": "demo"})
    written = dump_experiment(experiment)
    assert parse_yaml(written, source="ours") == yaml.safe_load(written)
    assert len(written) < 2**18 / 50
    parse_yaml("a: " + "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1), source="just within")


# ---- results and decisions ----


@pytest.mark.parametrize(
    "content",
    [
        "[" * 100_000,
        '{"result": ' * 5000,
        '{"result": {}, "suite": {}}',
        '{"suite": null}',
        "[]",
        "7",
        '"result"',
        "null",
        "NaN",
        "",
        "\x00",
        '{"a": 1, "a": 2}',
    ],
    ids=range(12),
)
def test_a_baseline_that_is_none(foreshot: Foreshot, tmp_path: Path, tiny_suite: Path, content: str) -> None:
    (tmp_path / "baseline.json").write_text(content)
    bundle = tiny_bundle(tmp_path / "bundle")
    result = foreshot("check", bundle, "--suite", tiny_suite, "--baseline", tmp_path / "baseline.json")
    assert "baseline.json: is neither the results.json of a run nor" in result.stderr.splitlines()[-1]
    assert result.exit_code == 2


def test_a_baseline_of_a_gigabyte_is_not_read(foreshot: Foreshot, tmp_path: Path, tiny_suite: Path) -> None:
    (tmp_path / "baseline.json").write_text("{")
    os.truncate(tmp_path / "baseline.json", 2**30)
    bundle = tiny_bundle(tmp_path / "bundle")
    with peak_memory() as peak:
        result = foreshot("check", bundle, "--suite", tiny_suite, "--baseline", tmp_path / "baseline.json")
    assert "baseline.json: is neither" in result.stderr
    assert peak.megabytes < 100


# ---- bundles ----


@pytest.mark.parametrize(
    ("file", "size"), [(FP32_GRAPH, 2**31 + 1), (TOKENIZER_FILE, 2**28 + 1), (MANIFEST_FILE, 2**30), (CARD_FILE, 2**30)]
)
def test_a_bundles_files_are_measured_before_they_are_read(tmp_path: Path, file: str, size: int) -> None:
    """By a sum that is wrong, since a right one would take as long as the file is."""
    bundle = tiny_bundle(tmp_path / "bundle")
    os.truncate(bundle / file, size)
    said = rf"{file}: can't be read \(is larger than [\d,]+ bytes\)"
    with peak_memory() as peak, pytest.raises(BundleError, match=said):
        load(bundle)
    assert peak.megabytes < 50


def test_sums_of_a_gigabyte_are_not_read(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "bundle")
    os.truncate(bundle / SUMS_FILE, 2**30)
    with pytest.raises(BundleError, match="SHA256SUMS: can't be read"):
        load(bundle)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=3), inside, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path into a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, part in inside for found in places(part, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    changed = dict(value) if isinstance(value, dict) else list(value)
    changed[path[0]] = replaced(value[path[0]], path[1:], new)
    return changed


@pytest.fixture(scope="module")
def mutable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("mutable") / "bundle")


@pytest.mark.parametrize("file", [MANIFEST_FILE, TOKENIZER_FILE])
def test_a_bundle_that_is_changed_anywhere_works_or_is_refused(mutable: Path, file: str) -> None:
    """Any value in the manifest or the tokenizer replaced by any other, its sum put right."""
    whole = (mutable / file).read_bytes()
    value = json.loads(whole)

    @settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
    @given(st.sampled_from(places(value)), JSON)
    def change(path: tuple[Any, ...], new: Any) -> None:
        (mutable / file).write_text(json.dumps(replaced(value, path, new)))
        (mutable / SUMS_FILE).write_text(sums_of(mutable))
        try:
            load(mutable)(["you absolute walnut", "", "\u202e"])
        except ForeshotError as error:
            assert "\n" not in str(error)  # noqa: PT017  # either outcome is right

    try:
        change()
    finally:
        (mutable / file).write_bytes(whole)


@settings(max_examples=100)
@given(st.text(max_size=60) | st.from_regex(r"([a-z]{1,4}: [\[{&*!'\"0-9a-z-]{0,6}\n){1,5}", fullmatch=True))
def test_any_text_is_settings_or_is_refused(text: str) -> None:
    try:
        found = parse_yaml(text, source="a.yaml")
        make_experiment(found if isinstance(found, dict) else {}, source="a.yaml")
    except ConfigError as error:
        assert str(error).startswith("a.yaml")  # noqa: PT017  # either outcome is right


@settings(max_examples=100)
@given(
    st.dictionaries(st.sampled_from(["name", "data", "labels", "seeds", "recipes", "training", "policy", "lora"]), JSON)
)
def test_any_settings_make_an_experiment_or_are_refused(given_ones: dict[str, Any]) -> None:
    try:
        experiment = make_experiment({"name": "a", "data": "x", "encoder": "y", **given_ones})
    except ConfigError:
        return
    assert make_experiment(parse_yaml(dump_experiment(experiment), source="dumped")) == experiment


def test_a_tokenizer_without_its_token_for_unknown_words_is_refused_at_the_text_that_needs_it(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "bundle")
    tokenizer = json.loads((bundle / TOKENIZER_FILE).read_bytes())
    tokenizer["model"]["unk_token"] = "gone"
    (bundle / TOKENIZER_FILE).write_text(json.dumps(tokenizer))
    (bundle / SUMS_FILE).write_text(sums_of(bundle))
    with pytest.raises(ForeshotError, match=r"tokenizer\.json can't be used \(WordLevel error: Missing \[UNK\]"):
        load(bundle)(["\u202e"])
