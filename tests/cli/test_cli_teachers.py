"""Teachers that are only asked, through the command line: of another tokenizer, a bundle, and several at once."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.numpy import load_file
from tiny_bundles import label_decisions
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import foreshot as library
from asked_teachers import LAYERS, WIDTH, bpe_teacher, bpe_tokenizer, word_bundle
from cli_runs import FAST, INSULTS, UNJUDGED, comparable, make_comments, weights_times, write_csv
from foreshot.data.table import read_texts
from foreshot.results.results import Results

Foreshot = Callable[..., Any]
BLIND = tuple(INSULTS[:2])
QUICK = ("--set", "disguised_rows=10", "--set", "explanations.texts=4")
UNTAUGHT = ("--recipes", "odd", "--epochs", "1", *UNJUDGED)
"""For runs whose teachers alone are looked at."""


@pytest.fixture(scope="module")
def teachers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good teacher with a tokenizer of its own, two that each take other insults for praise, and a bundle."""
    folder = tmp_path_factory.mktemp("teachers")
    bpe_teacher(folder / "bpe")
    bpe_teacher(folder / "blind", blind_to=BLIND)
    bpe_teacher(folder / "otherwise-blind", blind_to=INSULTS[6:])
    word_bundle(folder / "bundle")
    return folder


def compared(foreshot: Foreshot, asked: list[str], runs: Path, name: str, *more: object) -> tuple[Path, Any]:
    done = foreshot("compare", *asked, *QUICK, "--runs", runs, "--name", name, *more)
    assert done.exit_code == 0, done.stderr + done.stdout
    return runs / name, done


def check_refused(done: Any, *complaints: str) -> None:
    assert done.exit_code == 2, done.stdout + done.stderr
    assert done.stderr.startswith("foreshot: ")
    assert done.stderr.count("\n") == 1, done.stderr
    for complaint in complaints:
        assert complaint in done.stderr


def results_of(run: Path) -> Results:
    return Results.load(run / "results.json")


def training_texts(run: Path) -> list[str]:
    return read_texts(run / "data" / "train.parquet", text="text")


@torch.inference_mode()
def asked_directly(folder: Path, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Logits and first tokens' last states, by Transformers alone."""
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokens = AutoTokenizer.from_pretrained(folder)(
        texts, padding=True, truncation=True, max_length=24, return_tensors="pt"
    )
    mask = tokens["attention_mask"]
    found = model(input_ids=tokens["input_ids"], attention_mask=mask, output_hidden_states=True)
    return found.logits.numpy(), found.hidden_states[-1][:, 0].numpy()


def target(run: Path, name: str) -> np.ndarray:
    """What the run keeps of the teacher's word on the training rows."""
    return np.load(run / "targets" / f"{name}.npy")


def losses(run: Path, student: str) -> list[dict[str, float]]:
    lines = (run / "students" / student / "curves.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


# ---- a tokenizer of its own ----


@pytest.fixture(scope="module")
def foreign(
    foreshot: Foreshot, asked: list[str], teachers: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Any]:
    """A run whose teacher has another vocabulary, architecture and width than the encoder."""
    runs = tmp_path_factory.mktemp("foreign")
    recipes = ("--recipes", "odd,odd-labels,odd-lora")
    return compared(foreshot, asked, runs, "foreign", "--teacher", teachers / "bpe", *recipes)


def test_it_is_said_that_the_teacher_is_only_asked(foreign, teachers, encoder):
    run, done = foreign
    lines = done.stdout.splitlines()
    assert (
        f"{teachers / 'bpe'} has another vocabulary than {encoder}: only asked; all students take their layers from "
        f"{encoder}" in lines
    )
    assert (
        f"the teacher's sentence representation has {WIDTH} numbers, a student's 32: the loss cosine compares them "
        "through a linear map, trained along and not kept" in lines
    )
    assert "odd: layers {1, 3}, full, distil, from the encoder" in lines
    assert "training teacher" not in done.stdout
    found = results_of(run)
    assert found.encoder.layers == 4
    assert found.models[0].cost.layers == LAYERS
    assert found.models[0].test.macro_f1 == 1.0
    assert found.asked_teachers is not None
    assert [one.kind for one in found.asked_teachers.teachers] == ["a classifier"]
    for report in ("report.md", "report.html"):
        assert "each text in its own tokens" in (run / report).read_text(encoding="utf-8")


def test_targets_are_what_the_teacher_says_in_its_own_tokens(foreign, teachers):
    run, _ = foreign
    logits, states = asked_directly(teachers / "bpe", training_texts(run))
    np.testing.assert_allclose(target(run, "logits"), logits, atol=1e-5)
    np.testing.assert_allclose(target(run, "representations"), states, atol=1e-5)


def test_the_run_keeps_the_teacher_with_its_own_tokenizer(foreign, foreshot, teachers, tmp_path):
    run, _ = foreign
    assert AutoTokenizer.from_pretrained(run / "teacher").get_vocab() == bpe_tokenizer().get_vocab()
    texts = training_texts(run)[:20]
    np.testing.assert_allclose(asked_directly(run / "teacher", texts)[0], asked_directly(teachers / "bpe", texts)[0])
    shown = foreshot("check", run / "teacher", "--json")
    assert shown.exit_code == 0, shown.stderr


@pytest.mark.usefixtures("graphs_exported_once")
@pytest.mark.parametrize("model", ["teacher", "students/odd/seed-0"])
def test_teacher_and_student_become_bundles(foreign, foreshot, tmp_path, model):
    run, _ = foreign
    done = foreshot("export", run / model, "--out", tmp_path / "bundle", "--bits", "32")
    assert done.exit_code == 0, done.stderr
    rude, kind = library.load(tmp_path / "bundle")(["the stupid cook read this page", "the kind cook read this page"])
    assert (rude.label, kind.label) == ("toxic", "benign")


def test_a_student_has_nothing_of_the_teacher_but_what_it_learnt(foreign, encoder):
    run, _ = foreign
    for student in ("odd", "odd-lora", "odd-labels"):
        folder = run / "students" / student / "seed-0"
        assert AutoTokenizer.from_pretrained(folder).get_vocab() == AutoTokenizer.from_pretrained(encoder).get_vocab()
        shapes = [array.shape for path in folder.rglob("*.safetensors") for array in load_file(path).values()]
        assert not [shape for shape in shapes if WIDTH in shape]
    of_steps = losses(run, "odd/seed-0")
    assert of_steps[-1]["cosine"] < of_steps[0]["cosine"] / 2  # through the projection
    assert set(of_steps[0]) == {"step", "objective", "classification", "divergence", "cosine"}


def test_the_same_command_again_trains_and_asks_nothing(foreign, foreshot, asked, teachers):
    run, _ = foreign
    before, kept = comparable(run), weights_times(run)
    recipes = ("--recipes", "odd,odd-labels,odd-lora")
    _, done = compared(foreshot, asked, run.parent, "foreign", "--teacher", teachers / "bpe", *recipes)
    assert "asking" not in done.stdout
    assert comparable(run) == before
    assert weights_times(run) == kept
    again = foreshot("compare", run)  # by what experiment.yaml says
    assert again.exit_code == 0, again.stderr
    assert comparable(run) == before


def test_losses_between_tokens_need_one_vocabulary(foreshot, asked, teachers, tmp_path):
    for loss in ("hidden", "relations"):
        done = foreshot(
            *("compare", *asked, "--teacher", teachers / "bpe", "--runs", tmp_path),
            *("--set", f"distillation.weights.{loss}=1", "--recipes", "odd"),
        )
        check_refused(done, f"recipe odd: the loss {loss} compares token by token", "has another vocabulary than")
    done = foreshot("compare", *asked, "--teacher", teachers / "bpe", "--runs", tmp_path, "--layers", "influence:2")
    check_refused(done, "recipe influence-2: influence:2 measures the teacher's layers", "name layers")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("labels", "toxic", "options"),
    [
        (("rude",), 0, ("--teacher-labels", "toxic=rude")),
        (("obscene", "threat", "insult", "other", "spam", "off"), 2, ("--teacher-labels", "toxic=insult")),
    ],
    ids=["one logit", "one of six labels"],
)
def test_other_heads_teach_too(foreshot, asked, tmp_path, labels, toxic, options):
    teacher = bpe_teacher(tmp_path / "teacher", labels, toxic=toxic, problem_type="multi_label_classification")
    run, _ = compared(foreshot, asked, tmp_path, "run", "--teacher", teacher, *options, *UNTAUGHT)
    logits, _ = asked_directly(teacher, training_texts(run))
    targets = target(run, "logits")
    np.testing.assert_allclose(targets, np.stack([np.zeros(len(logits)), logits[:, toxic]], axis=1), atol=1e-5)
    assert results_of(run).models[0].test.macro_f1 == 1.0


# ---- a bundle ----


@pytest.fixture(scope="module")
def of_bundle(
    foreshot: Foreshot, asked: list[str], teachers: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Any]:
    runs = tmp_path_factory.mktemp("of-bundle")
    return compared(foreshot, asked, runs, "run", "--teacher", teachers / "bundle", "--recipes", "odd")


def test_a_bundle_teaches_by_its_logits(of_bundle, teachers):
    run, done = of_bundle
    assert f"{teachers / 'bundle'} is a bundle, which gives its scores alone: only asked;" in done.stdout
    assert "the teacher's sentence representations aren't known: the loss cosine is left out" in done.stdout
    expected = [prediction.logits for prediction in library.load(teachers / "bundle")(training_texts(run))]
    assert [path.name for path in (run / "targets").glob("*.npy")] == ["logits.npy"]
    np.testing.assert_allclose(target(run, "logits"), expected, atol=1e-6)
    assert set(losses(run, "odd/seed-0")[0]) == {"step", "objective", "classification", "divergence"}
    assert results_of(run).models[0].test.macro_f1 == 1.0


def test_a_bundle_is_exported_already(of_bundle, foreshot, teachers, tmp_path):
    run, _ = of_bundle
    told = f"is the bundle {(teachers / 'bundle').resolve()}, which was asked where it is; name or copy that"
    for command in (["export", run / "teacher", "--out", tmp_path / "b"], ["check", run / "teacher"]):
        check_refused(foreshot(*command), str(run / "teacher"), told, "it is a bundle already")


def test_a_bundle_has_no_layers(foreshot, comments, teachers, tmp_path):
    done = foreshot("compare", "--data", comments, "--teacher", teachers / "bundle", "--runs", tmp_path)
    check_refused(done, "a bundle has no layers to start from; give --encoder beside --teacher")
    assert list(tmp_path.iterdir()) == []


def test_a_label_of_a_bundle_with_several_teaches_two_classes(foreshot, asked, tmp_path):
    bundle = word_bundle(tmp_path / "bundle", decisions=label_decisions("insult", "threat", judged="insult"))
    run, _ = compared(
        *(foreshot, asked, tmp_path, "run", "--teacher", bundle, "--teacher-labels", "toxic=insult", *UNTAUGHT)
    )
    targets = target(run, "logits")
    expected = [prediction.logits[0] for prediction in library.load(bundle)(training_texts(run))]
    np.testing.assert_allclose(targets, np.stack([np.zeros(len(expected)), expected], axis=1), atol=1e-6)


# ---- several ----


@pytest.fixture(scope="module")
def of_three(
    foreshot: Foreshot, asked: list[str], teachers: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Any]:
    runs = tmp_path_factory.mktemp("of-three")
    named = [part for name in ("blind", "otherwise-blind", "bundle") for part in ("--teacher", teachers / name)]
    weights = ("--set", "teachers.weights=[1, 1, 2]", "--set", "teachers.disagreement=1")
    return compared(foreshot, asked, runs, "run", *named, *weights, "--recipes", "odd,lora")


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def test_each_teacher_and_the_mean_are_judged(of_three, teachers):
    run, done = of_three
    found = results_of(run)
    names = ["teacher", "teacher-1", "teacher-2", "teacher-3"]
    assert [model.model for model in found.models] == [*names, "odd", "lora"]
    assert [student.model for student in found.verdict.students] == ["odd", "lora"]
    assert {one.first for one in found.comparisons} | {one.second for one in found.comparisons} == {
        "teacher",
        "odd",
        "lora",
    }
    assert [result.model for result in found.suite_results] == [*names, "odd", "lora"]
    assert found.asked_teachers is not None
    assert [(one.name, one.weight) for one in found.asked_teachers.teachers] == [
        (str(teachers / "blind"), 0.25),
        (str(teachers / "otherwise-blind"), 0.25),
        (str(teachers / "bundle"), 0.5),
    ]
    scores = {model.model: model.test.macro_f1 for model in found.models}
    assert scores["teacher"] == scores["teacher-3"] == 1.0
    assert max(scores["teacher-1"], scores["teacher-2"]) < 1.0
    assert "the mean of 3 teachers' probabilities: 0.25 of" in done.stdout
    markdown = (run / "report.md").read_text(encoding="utf-8")
    assert "## The teachers" in markdown
    assert "the mean of 3 teachers" in markdown


def test_the_mean_is_that_of_the_probabilities(of_three):
    run, _ = of_three
    each = [load_file(run / "teachers" / str(number) / "scores" / "asked.safetensors")["test"] for number in (1, 2, 3)]
    mean = sum(weight * softmax(logits) for weight, logits in zip((0.25, 0.25, 0.5), each, strict=True))
    labels = np.array(pq.read_table(run / "data" / "test.parquet").column("label").to_pylist())
    expected = -np.log(mean[np.arange(len(labels)), labels]).mean()
    assert results_of(run).models[0].test.cross_entropy == pytest.approx(expected, rel=1e-4)


def test_disagreement_is_kept_and_told(of_three, teachers):
    run, _ = of_three
    of_training = training_texts(run)
    expected = [asked_directly(teachers / name, of_training)[0] for name in ("blind", "otherwise-blind")]
    np.testing.assert_allclose(target(run, "each")[:, :2].swapaxes(0, 1), expected, atol=1e-5)
    toxic = softmax(target(run, "each").astype(np.float64))[:, :, 1]
    weights = np.array([0.25, 0.25, 0.5])
    variance = (weights * (toxic - (weights * toxic).sum(axis=1, keepdims=True)) ** 2).sum(axis=1)
    np.testing.assert_allclose(target(run, "disagreement")[:, 0], variance, atol=1e-6)
    found = results_of(run).asked_teachers
    assert found is not None
    assert found.disagreement is not None
    contested = found.disagreement.rows
    assert all(any(word in row.text for word in (*BLIND, *INSULTS[6:])) for row in contested[:3])
    assert [row.variance for row in contested] == sorted((row.variance for row in contested), reverse=True)
    texts = read_texts(run / "data" / "test.parquet", text="text")
    assert {row.text for row in contested} <= set(texts)


def test_the_mean_is_no_model_to_export(of_three, foreshot, tmp_path):
    run, _ = of_three
    told = foreshot("export", run / "teacher", "--out", tmp_path / "b")
    check_refused(told, "is the mean of several teachers", f"name one of them: {run / 'teachers' / '1'} or ")
    shown = foreshot("check", run / "teachers" / "1", "--json")
    assert shown.exit_code == 0, shown.stderr


def test_a_run_of_several_teachers_goes_on(of_three, foreshot):
    run, _ = of_three
    before, kept = comparable(run), weights_times(run)
    again = foreshot("compare", run)
    assert again.exit_code == 0, again.stderr
    assert comparable(run) == before
    assert weights_times(run) == kept


def test_fitted_weights_leave_out_the_teacher_that_errs(foreshot, asked, teachers, tmp_path):
    compared(
        *(foreshot, asked, tmp_path, "run", "--teacher", teachers / "blind", "--teacher", teachers / "bpe"),
        *("--set", "teachers.weights=fitted", "--recipes", "odd"),
    )
    found = results_of(tmp_path / "run").asked_teachers
    assert found is not None
    assert found.weighing == "fitted"
    assert found.teachers[0].weight < 0.05 < 0.95 < found.teachers[1].weight
    assert sum(one.weight for one in found.teachers) == pytest.approx(1)


# ---- what is refused ----


def refused(foreshot: Foreshot, asked: list[str], tmp_path: Path, *options: object) -> Any:
    done = foreshot("compare", *asked, "--runs", tmp_path / "runs", "--recipes", "odd", *options)
    assert not (tmp_path / "runs").exists()
    return done


def test_labels_that_no_one_can_match_are_listed(foreshot, asked, tmp_path):
    teacher = bpe_teacher(tmp_path / "t", ("spam", "ham"))
    check_refused(
        refused(foreshot, asked, tmp_path, "--teacher", teacher), "its labels are spam, ham, the data's benign"
    )


def test_of_several_teachers_each_needs_all_labels(foreshot, asked, teachers, tmp_path):
    other = bpe_teacher(tmp_path / "other", ("spam", "ham"))
    options = ("--teacher", teachers / "bpe", "--teacher", other)
    check_refused(refused(foreshot, asked, tmp_path, *options), f"{other}: its labels are spam, ham, the data's benign")
    given = (*options, "--teacher-labels", "toxic=eggs")
    check_refused(
        refused(foreshot, asked, tmp_path, *given), "toxic=eggs is a label of no teacher", "benign, toxic", "spam, ham"
    )


def test_labels_that_are_given_are_for_the_teachers_that_have_them(foreshot, asked, teachers, tmp_path):
    other = bpe_teacher(tmp_path / "other", ("ham", "spam"))
    run, _ = compared(
        *(foreshot, asked, tmp_path, "run", "--teacher", teachers / "bpe", "--teacher", other),
        *("--teacher-labels", "toxic=spam,benign=ham", "--recipes", "odd"),
    )
    assert [model.test.macro_f1 for model in results_of(run).models[:3]] == [1.0, 1.0, 1.0]


def test_a_regression_has_no_known_range(foreshot, asked, teachers, tmp_path):
    teacher = bpe_teacher(tmp_path / "t", ("score",), toxic=0, problem_type="regression")
    for more in ((), ("--teacher", teachers / "bpe")):
        done = refused(foreshot, asked, tmp_path, "--teacher", teacher, *more)
        check_refused(done, "its problem_type is regression", "numbers that were learnt, not log-odds")


def test_several_teachers_have_no_layers(foreshot, comments, teachers, tmp_path):
    named = ("--teacher", teachers / "bpe", "--teacher", teachers / "blind")
    done = foreshot("compare", "--data", comments, *named, "--runs", tmp_path / "runs")
    check_refused(done, "2 are named, whose mean has no layers; name the encoder")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--set", "teachers.weights=[1]"), "teachers.weights: 1 weights, but 2 teachers are named"),
        (("--set", "teachers.weights=best"), "teachers.weights: "),
        (("--set", "distillation.weights={classification: 0, divergence: 0}"), "the loss cosine compares sentence"),
        (
            ("--set", "explanations.method=integrated-gradients"),
            "explanations.method: integrated-gradients looks into every model",
        ),
    ],
)
def test_settings_that_several_teachers_can_not_have(foreshot, asked, teachers, tmp_path, options, complaint):
    named = ("--teacher", teachers / "bpe", "--teacher", teachers / "blind")
    check_refused(refused(foreshot, asked, tmp_path, *named, *options), complaint)


def test_a_teacher_that_knows_nothing_stops_the_run(foreshot, asked, teachers, tmp_path):
    turned = bpe_teacher(tmp_path / "turned", ("toxic", "benign"))
    done = foreshot(
        *("compare", *asked, "--runs", tmp_path, "--recipes", "odd", "--name", "run"),
        *("--teacher", teachers / "bpe", "--teacher", turned),
    )
    check_refused(done, f"teacher-2 ({turned}): gets 0.0% of the 20 validation rows right")


# ---- several labels, and texts without any ----


@pytest.fixture(scope="module")
def of_labels(
    foreshot: Foreshot, encoder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, list[object]]:
    """A run of two labels whose teachers are two bundles, and a file of texts without labels; and its options.

    The bundles call their labels in another order, one has one more, and they differ on kind words.
    """
    folder = tmp_path_factory.mktemp("of-labels")
    rows = [(text, label, str(int("cook" in text))) for text, label in make_comments()]
    data = write_csv(folder / "labels.csv", rows, header=("comment", "insult", "cook"))
    (folder / "more.txt").write_text("the stupid cook\nthe kind mayor\nthe page\n", encoding="utf-8")
    bundles = [
        word_bundle(folder / "two", decisions=label_decisions("insult", "cook", judged="insult")),
        word_bundle(folder / "three", decisions=label_decisions("cook", "spam", "insult", judged="insult")),
    ]
    options = [
        *(
            "compare",
            "--data",
            data,
            "--text",
            "comment",
            "--labels",
            "insult,cook",
            "--encoder",
            encoder,
            *FAST,
            *QUICK,
        ),
        *(
            "--suite",
            "none",
            "--recipes",
            "odd",
            "--unlabelled",
            folder / "more.txt",
            "--runs",
            folder,
            "--name",
            "run",
        ),
        *("--set", "distillation.temperature={start: 3, end: 1}"),
    ]
    named = [part for bundle in bundles for part in ("--teacher", bundle)]
    done = foreshot(*options, *named, "--set", "teachers.disagreement=2", "--set", "training.accumulate=2")
    assert done.exit_code == 0, done.stderr + done.stdout
    return folder / "run", folder, options


def test_several_teachers_of_several_labels(of_labels):
    run, folder, _ = of_labels
    texts = [*training_texts(run), "the stupid cook", "the kind mayor", "the page"]
    of_two = np.array([prediction.logits for prediction in library.load(folder / "two")(texts)])
    of_three = np.array([prediction.logits for prediction in library.load(folder / "three")(texts)])
    expected = np.stack([of_two, of_three[:, [2, 0]]], axis=1)  # insult and cook, as the data has them
    np.testing.assert_allclose(target(run, "each"), expected, atol=1e-6)
    probabilities = 1 / (1 + np.exp(-expected))
    np.testing.assert_allclose(target(run, "disagreement"), probabilities.var(axis=1), atol=1e-6)
    found = results_of(run).asked_teachers
    assert found is not None
    assert found.disagreement is not None
    assert list(found.disagreement.by_output) == ["insult", "cook"]
    assert {row.output for row in found.disagreement.rows} <= {"insult", "cook"}
    assert found.strength == 2


def test_a_teacher_without_a_label_of_the_data_is_refused(of_labels, foreshot, tmp_path):
    _, folder, options = of_labels
    lacking = word_bundle(tmp_path / "lacking", decisions=label_decisions("insult", "spam", judged="insult"))
    done = foreshot(*options, "--name", "refused", "--teacher", folder / "two", "--teacher", lacking)
    check_refused(done, f"{lacking}: its labels are insult, spam, the data's insult, cook")
