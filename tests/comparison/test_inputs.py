"""What is refused about models before anything is trained, where the command line's tests have no such model."""

import json
from pathlib import Path

import pytest
import torch
from families import tiny_family
from tiny_models import SIZES, tiny_classifier, tiny_model_folder, tiny_tokenizer
from transformers import BertweetTokenizer, SqueezeBertConfig, SqueezeBertModel

from cli_runs import make_comments, write_csv
from foreshot.comparison.inputs import WITHOUT_SUITE, read_inputs
from foreshot.comparison.jobs import student_fingerprint, teacher_fingerprint
from foreshot.data.sample import make_corpus
from foreshot.data.texts import normalise
from foreshot.errors import ConfigError, DataError, ForeshotError, ModelError
from foreshot.models.batches import encode
from foreshot.settings.experiment import make_experiment

RELATIONS = {"weights": {"relations": 1}, "relations": {"heads": 2, "layer": 4}}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ready teacher of four layers, and encoders: of two layers, of ModernBERT, of MPNet,
    and of an unknown architecture."""
    folder = tmp_path_factory.mktemp("models")
    tiny_classifier("bert", 4).save_pretrained(folder / "teacher")
    tiny_classifier("bert", 2).base_model.save_pretrained(folder / "shallow")
    tiny_classifier("mpnet", 2).base_model.save_pretrained(folder / "mpnet")
    tiny_classifier("modernbert", 4).base_model.save_pretrained(folder / "modern")
    torch.manual_seed(0)
    config = SqueezeBertConfig(**SIZES, max_position_embeddings=40, embedding_size=16, num_hidden_layers=4)
    SqueezeBertModel(config).save_pretrained(folder / "squeeze")
    for model in folder.iterdir():
        tiny_tokenizer().save_pretrained(model)
    write_csv(folder / "comments.csv", make_comments(60))
    return folder


def recipe(layers, init: str = "teacher", objective: str = "distil") -> dict[str, object]:
    return {"name": "own", "layers": layers, "tuning": "full", "objective": objective, "init": init}


def inputs_of(models: Path, recipes, **settings):
    given = {name: str(models / value) if name in {"encoder", "teacher"} else value for name, value in settings.items()}
    asked = {
        **{"name": "own", "data": str(models / "comments.csv"), "text": "comment", "label": "toxic", "suite": "none"},
        **{"training": {"max_length": 16}, "recipes": recipes},
    }
    return read_inputs(make_experiment({**asked, **given}))


def refused(kind: type[ForeshotError], models: Path, recipes, **settings) -> str:
    with pytest.raises(kind) as caught:
        inputs_of(models, recipes, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_tables_of_several_dialects_are_read_and_told_in_the_facts(models, tmp_path):
    rows = make_comments(60)
    (tmp_path / "data.csv").write_text(
        "comment;toxic,yes\n" + "".join(f"{text};class {label},{label}\n" for text, label in rows)
    )
    (tmp_path / "probes.csv").write_text("text|label\nyou fool|1\n")
    settings = {"data": str(tmp_path / "data.csv"), "probes": str(tmp_path / "probes.csv"), "label": None}
    with pytest.raises(DataError, match="parted by comma or semicolon; name the right one with separator"):
        inputs_of(models, ["odd"], encoder="teacher", **settings)
    inputs = inputs_of(
        models,
        ["odd"],
        encoder="teacher",
        **{**settings, "separator": ";", "label": "toxic,yes", "positive": ["class 1,1"]},
    )
    assert inputs.experiment.separator == "semicolon"
    assert inputs.probes[0].text == "you fool"
    assert inputs.data_facts().announcements[0] == (
        f"{tmp_path / 'probes.csv'}: separator pipe (found; --separator names another)"
    )


@pytest.mark.parametrize("layers", ["even", "last:2", [2, 1], [1, 1, 2]])
def test_students_that_cannot_be_built_are_refused_before_training(models, layers):
    message = refused(ModelError, models, [recipe(layers)], encoder="modern")
    assert message.startswith("modernbert: its layers are not alike, and [")
    assert message.endswith("give layers that begin with 1, and have it once")


@pytest.mark.parametrize("layers", ["odd", "ends:2", "influence:2", "greedy:3", [1, 3, 3, 2]])
def test_those_that_can_are_taken(models, layers):
    found = inputs_of(models, [recipe(layers)], encoder="modern").layer_maps
    assert ("own" in found) == (layers not in {"influence:2", "greedy:3"} if isinstance(layers, str) else True)


def test_a_layer_of_relations_is_one_of_the_teachers(models):
    from_encoder = [recipe("all", init="encoder")]
    inputs_of(models, from_encoder, teacher="teacher", encoder="shallow", distillation=RELATIONS)
    message = refused(ConfigError, models, [recipe("all")], encoder="shallow", distillation=RELATIONS)
    assert message == "relations.layer: 4, but the model has only 2 layers"


def test_hidden_states_need_the_teachers_layers(models):
    from_encoder, hidden = [recipe("all", init="encoder")], {"weights": {"hidden": 1}}
    message = refused(ConfigError, models, from_encoder, teacher="teacher", encoder="shallow", distillation=hidden)
    assert "the encoder's layers are not those of the teacher; set weights.hidden: 0" in message
    measured = [recipe("influence:1", init="encoder")]
    message = refused(ConfigError, models, measured, teacher="teacher", encoder="shallow")
    assert "influence:1 looks at the teacher's layers, which are not the encoder's" in message


def test_an_unknown_architecture_can_be_used_but_not_looked_into(models):
    named = {"encoder": "squeeze", "layer_stack": "encoder.layers", "exportable": False}
    assert inputs_of(models, [recipe([4, 1])], **named).layer_maps == {"own": (4, 1)}
    for recipes, more in (
        ([recipe("influence:2")], {}),
        ([recipe("odd")], {"distillation": {"weights": {"hidden": 1}}}),
        ([recipe("odd")], {"distillation": {"weights": {"relations": 1}, "relations": {"heads": 2}}}),
    ):
        message = refused(ModelError, models, recipes, **named, **more)
        assert message.startswith("squeezebert: what goes on in its layers can't be looked at; leave out")
    assert refused(ModelError, models, [recipe("odd")], encoder="squeeze").endswith("(it may be encoder.layers)")
    inputs_of(models, [recipe("greedy:2")], **named)  # looks at what the whole says


def test_what_could_not_be_exported_is_refused_unless_that_is_wanted(models, monkeypatch):
    def fail(model):
        raise ModelError(f"{model.config.model_type}: can't be exported to ONNX (no such operator)")

    monkeypatch.setattr("foreshot.exporting.exportable.to_onnx", fail)
    named = {"encoder": "squeeze", "layer_stack": "encoder.layers"}
    assert refused(ModelError, models, [recipe("odd")], **named) == (
        f"{models / 'squeeze'}: squeezebert: can't be exported to ONNX (no such operator); give another encoder, or "
        "compare without a bundle at the end (exportable: false)"
    )
    inputs_of(models, [recipe("odd")], exportable=False, **named)
    inputs_of(models, [recipe("odd")], encoder="shallow")  # a BERT


def test_a_tokenizer_that_no_bundle_can_have_is_refused_before_training(models, tmp_path):
    """BERTweet's is Python alone."""
    encoder = str(tmp_path / "tweets")
    tiny_classifier("bert", 2).base_model.save_pretrained(encoder)
    (tmp_path / "words").write_text("".join(f"{word}@@ 9\n" for word in "abcdefgh"), encoding="utf-8")
    (tmp_path / "merges").write_text("a b 5\n", encoding="utf-8")
    BertweetTokenizer(str(tmp_path / "words"), str(tmp_path / "merges")).save_pretrained(encoder)
    assert refused(ModelError, models, [recipe("odd")], encoder=encoder) == (
        f"{encoder}: its tokenizer, a BertweetTokenizer, has no tokenizer.json; it can't run without Transformers, as "
        "a bundle does; give another encoder, or compare without a bundle at the end (exportable: false)"
    )
    inputs_of(models, [recipe("odd")], encoder=encoder, exportable=False)


def test_a_tokenizer_that_gives_other_tokens_without_transformers_is_refused_before_training(models, monkeypatch):
    """Seven tokens of each text are all that Transformers gives here."""
    monkeypatch.setattr("foreshot.comparison.inputs.encode", lambda texts, tokenizer, _: encode(texts, tokenizer, 7))
    message = refused(ModelError, models, [recipe("odd")], encoder="shallow")
    assert "shallow: its tokenizer.json alone gives other tokens for 6 of 6 texts, such as 'the " in message


def test_of_many_training_rows_a_sample_is_asked(models, monkeypatch):
    """The same for every model, none twice, and the labels of its rows are found by their numbers."""
    monkeypatch.setattr("foreshot.comparison.inputs.MOST_ASKED_TRAINING_ROWS", 7)
    made = inputs_of(models, [recipe("odd")], encoder="shallow")
    numbers, train = made.asked_training_rows, made.rows["train"]
    assert len(train) > 7
    assert len(numbers) == len(set(numbers.tolist())) == 7
    assert made.asked["train"].ids == [train.ids[number] for number in numbers]
    assert made.asked["test"] is made.rows["test"]
    assert made.asked_training_rows.tolist() == numbers.tolist()


def test_a_suite_that_is_left_out_for_want_of_a_toxic_class_is_announced(models):
    names = ["sport", "news", "talk"]
    rows = [(text, names[number % 3]) for number, (text, _) in enumerate(make_comments(60))]
    data = str(write_csv(models / "topics.csv", rows))
    counted, none, left_out = inputs_of(
        models, [recipe("odd")], encoder="shallow", data=data, suite="auto"
    ).split.announcements
    assert counted == f"{data}: 20 rows labelled news, 20 rows labelled sport, 20 rows labelled talk"
    assert none == f"{data}: none of news, sport, talk is taken for toxic; name what is with --positive"
    assert left_out == WITHOUT_SUITE
    by_choice = inputs_of(models, [recipe("odd")], encoder="shallow", data=data, suite="none").split
    toxic = inputs_of(models, [recipe("odd")], encoder="shallow", data=data, suite="auto", positive=["talk"]).split
    assert WITHOUT_SUITE not in by_choice.announcements + toxic.announcements


def test_of_few_training_rows_all_are_asked(models):
    made = inputs_of(models, [recipe("odd")], encoder="shallow")
    assert made.asked["train"].ids == made.rows["train"].ids


def test_layers_that_can_not_be_computed_again_are_refused(models):
    settings = {"training": {"max_length": 16, "gradient_checkpointing": True}}
    assert inputs_of(models, [recipe("all")], teacher="teacher", **settings).device.type == "cpu"
    message = refused(ModelError, models, [recipe("all")], encoder="mpnet", **settings)
    assert message.startswith("mpnet: its layers can't be computed again for the backward pass; leave out training.")


def test_they_name_the_precision_that_auto_stands_for(models, monkeypatch):
    monkeypatch.setattr("foreshot.training.device.fastest_precision", lambda _: "bf16")
    for asked, expected in (("auto", "bf16"), ("float32", "float32")):
        found = inputs_of(models, [recipe("all")], teacher="teacher", training={"max_length": 16, "precision": asked})
        assert found.experiment.training.precision == expected


def test_what_only_says_how_is_computed_makes_no_other_model(models):
    def fingerprints(**training) -> list[str]:
        found = inputs_of(models, [recipe("all")], encoder="shallow", training={"max_length": 16, **training})
        return [teacher_fingerprint(found), student_fingerprint(found, found.experiment.recipes[0], 0)]

    usual = fingerprints()
    assert fingerprints(accumulate=4, gradient_checkpointing=False, precision="float32") == usual
    assert all(one != other for one, other in zip(fingerprints(precision="bf16"), usual, strict=True))


def test_a_teachers_labels_are_told_and_make_another_teacher(models):
    """Its labels have no names: by themselves they stand as the data's do, and otherwise the user says so."""
    usual = inputs_of(models, [recipe("odd")], teacher="teacher")
    (told,) = usual.announcements
    assert told.endswith(
        "'LABEL_0' is taken for benign, 'LABEL_1' is taken for toxic (--teacher-labels says otherwise)"
    )
    assert told in usual.data_facts().announcements
    turned = inputs_of(models, [recipe("odd")], teacher="teacher", teacher_labels={"toxic": "LABEL_0"})
    assert turned.given_teacher.head.rows == (1, 0)
    students = [student_fingerprint(inputs, usual.experiment.recipes[0], 0) for inputs in (usual, turned)]
    assert students[0] != students[1]
    assert teacher_fingerprint(usual) != teacher_fingerprint(turned)
    message = refused(ConfigError, models, [recipe("odd")], teacher="teacher", teacher_labels={"toxic": "rude"})
    assert "'rude' is no label of" in message


def test_the_data_say_that_a_teachers_labels_are_several(models, tmp_path):
    rows = [(text, "01"[index % 3 == 0], "01"[index % 2]) for index, (text, _) in enumerate(make_comments(60))]
    data = write_csv(tmp_path / "marks.csv", rows, header=("comment", "toxic", "threat"))
    tiny_model_folder(tmp_path / "teacher", labels=("obscene", "threat", "toxic"))
    settings = {"data": str(data), "label": None, "labels": ["toxic", "threat"]}
    head = inputs_of(tmp_path, [recipe("all")], teacher="teacher", **settings).given_teacher.head
    assert (head.labels, head.rows, head.multi_label) == (("toxic", "threat"), (2, 1), True)
    message = refused(ConfigError, tmp_path, [recipe("all")], teacher="teacher", data=str(data))
    assert "look like ones that a text can have several of; say problem_type multi-label" in message


def test_the_demos_unlabelled_texts_are_the_rows_that_no_part_has(models):
    settings = {"data": "demo", "unlabelled": "demo", "text": None, "label": None, "max_train_rows": 300}
    made = inputs_of(models, [recipe("odd")], encoder="shallow", **settings)
    corpus = {normalise(comment.text) for comment in make_corpus(0).train}
    labelled = {text for part in made.split.parts.values() for text in part.texts}
    validation = len(made.split.parts["validation"])
    assert set(made.unlabelled.texts()) == corpus - labelled
    assert len(made.unlabelled) == len(corpus) - 300 - validation
    labels_alone = inputs_of(models, [recipe("all", "encoder", "labels")], encoder="shallow", **settings)
    assert labels_alone.unlabelled is None


# ---- the examination of what is found ----


def saved(model, folder: Path) -> str:
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize(
    ("family", "message"),
    [
        ("fnet", "fnet looks at the padding of a batch"),
        ("gpt2", "the first token of gpt2 doesn't see the others"),
        ("albert", "albert: shares one layer's weights"),
        ("esm", "esm: can't be made of layers [1, 3] alone"),
        ("funnel", "fails on a text of 2 tokens"),
    ],
)
def test_families_that_can_not_be_compared_are_refused(models, tmp_path, family, message):
    assert message in refused(ModelError, models, [recipe("odd")], encoder=saved(tiny_family(family), tmp_path))


def test_a_decoder_is_no_teacher_either(models, tmp_path):
    teacher = saved(tiny_family("qwen2"), tmp_path)
    assert "doesn't see the others" in refused(ModelError, models, [recipe("odd")], teacher=teacher)


@pytest.mark.parametrize(("part", "layers"), [("encoder", "odd"), ("teacher", [1, 3])])
def test_lora_targets_are_looked_up_in_the_model_that_they_are_put_on(models, part, layers):
    lora = {**recipe(layers), "tuning": "lora"}
    settings = {part: "teacher", "lora": {"target_modules": ["query", "valeu"]}}
    message = refused(ModelError, models, [lora], **settings)
    assert message.startswith(
        "lora.target_modules: valeu is no matrix of bert's layers; name some of query, key, value"
    )
    inputs_of(models, [lora], **{**settings, "lora": {"target_modules": ["query", "dense"]}})


def test_a_head_that_the_encoder_carries_is_announced(models):
    said = inputs_of(models, [recipe("odd")], encoder="teacher").announcements
    assert said == (
        f"{models / 'teacher'}: carries a head of its own, which is not used; give it as --teacher to learn from it",
    )
    assert inputs_of(models, [recipe("odd")], encoder="shallow").announcements == ()
    said = inputs_of(models, [recipe("odd")], teacher="teacher").announcements
    assert not any("carries a head" in line for line in said)


def test_texts_are_cut_at_their_end_whatever_the_tokenizer_says(models, tmp_path):
    encoder = saved(tiny_classifier("bert", 2).base_model, tmp_path)
    settings = tmp_path / "tokenizer_config.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "truncation_side": "left"}))
    made = inputs_of(models, [recipe("odd")], encoder=encoder)
    assert made.announcements == (
        f"{encoder}: its tokenizer cuts long texts at their start; here, as by a bundle, their end is cut",
    )
    assert made.tokenizer.truncation_side == "right"


def test_stored_scores_with_gaps_are_learnt_from_a_ready_teacher_of_the_same_outputs(models, tmp_path):
    rows = [(text, label, "" if index % 3 else label) for index, (text, label) in enumerate(make_comments(60))]
    lines = ["comment,rude,hate", *(",".join(row) for row in rows)]
    (tmp_path / "scored.csv").write_text("\n".join(lines) + "\n")
    teacher = tiny_model_folder(tmp_path / "scorer", labels=("rude", "hate"), multi_label=True)
    settings = {"data": str(tmp_path / "scored.csv"), "label": None, "scores": ["rude", "hate"]}
    inputs = inputs_of(models, ["odd"], teacher=str(teacher), **settings)
    assert inputs.given_teacher is not None
    assert inputs.asked_teachers == ()
    assert not inputs.teacher_is_reference
    assert inputs.experiment.recipes[0].init == "teacher"  # whose layers can be taken
    assert inputs.task.names == ["rude", "hate"]
    assert refused(ConfigError, models, ["odd"], teacher=str(teacher), teacher_from_scores=True, **settings).startswith(
        "experiment: scores: are the teacher"
    )
