"""Experiment and Recipe: the recipe table, YAML and back, and one line for each thing that makes no sense."""

import pytest
import yaml

from foreshot.errors import ConfigError
from foreshot.serving.settings import ServeSettings
from foreshot.settings.experiment import (
    Experiment,
    Training,
    dump_experiment,
    load_experiment,
    make_experiment,
)
from foreshot.settings.losses import (
    Classification,
    Distillation,
    HiddenLoss,
    LossWeights,
    Ramp,
    RelationLoss,
    value_at,
)
from foreshot.settings.reading import load_settings, run_name
from foreshot.settings.recipes import DEFAULT_RECIPES, RECIPES, Lora, Recipe, named_recipe, recipe_of_layers

LEAST = {"name": "run", "data": "a.csv", "encoder": "some/encoder"}
OWN = {"name": "own", "layers": "all", "tuning": "full", "objective": "labels", "init": "encoder"}

# The table of the design, by hand.
DESIGN = """
odd          odd   full  distil  teacher
even         even  full  distil  teacher
odd-labels   odd   full  labels  encoder
even-labels  even  full  labels  encoder
lora         all   lora  labels  encoder
lora-distil  all   lora  distil  encoder
odd-lora     odd   lora  distil  teacher
even-lora    even  lora  distil  teacher
"""


def refused(**settings) -> str:
    with pytest.raises(ConfigError) as caught:
        make_experiment({**LEAST, **settings}, source="experiment.yaml")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_recipes_are_the_designs_table():
    rows = [line.split() for line in DESIGN.split("\n") if line]
    assert {name: (row.name, row.layers, row.tuning, row.objective, row.init) for name, row in RECIPES.items()} == {
        row[0]: tuple(row) for row in rows
    }
    assert all(recipe.learning_rate is None for recipe in RECIPES.values())
    assert {name for name, row in RECIPES.items() if row.learning_rate_factor == 10} == {
        "lora", "lora-distil", "odd-lora", "even-lora",
    }  # fmt: skip
    assert {row.learning_rate_factor for row in RECIPES.values()} == {1, 10}
    assert set(DEFAULT_RECIPES) <= RECIPES.keys()


def test_defaults_are_the_origins():
    experiment = make_experiment(LEAST)
    assert experiment.distillation.temperature == 2
    weights = experiment.distillation.weights
    assert weights.classification == weights.divergence == weights.cosine == pytest.approx(1 / 3)
    assert [recipe.name for recipe in experiment.recipes] == list(DEFAULT_RECIPES)
    assert experiment.seeds == (0,)


FULL = Experiment(
    name="full-1.2",
    data="über/data set.csv",
    validation="v.csv",
    test="t.csv",
    text="comment: text",
    label="yes",
    positive=("0", "1", "no"),
    skip_bad_rows=True,
    max_train_rows=6000,
    validation_fraction=0.15,
    encoder="org/encoder",
    teacher="teacher/folder",
    recipes=(
        RECIPES["odd"],
        Recipe(**{**OWN, "layers": (1, 4, 12), "learning_rate": 3e-4}),
        Recipe(**{**OWN, "name": "thrice", "learning_rate_factor": 3}),
        recipe_of_layers("spaced:4"),
        recipe_of_layers((3, 1, 3)),
        Recipe(
            **{**OWN, "name": "another", "layers": "greedy:2", "objective": "distil"},
            distillation=Distillation(temperature=3, teacher_states="live"),
        ),
    ),
    seeds=(3, 0, 2**32 - 1),
    training=Training(
        epochs=2,
        learning_rate=5e-05,
        warmup_fraction=0.1,
        batch_size=16,
        classification=Classification(label_smoothing=0.1, focal_gamma=2, class_weights=(1, 2.5)),
    ),
    distillation=Distillation(
        weights=LossWeights(classification=1, divergence=0, cosine=0.1, hidden=Ramp(start=0, end=1), relations=2),
        temperature=Ramp(start=4, end=1),
        cosine_on="logits",
        hidden=HiddenLoss(distance="mse", tokens="first"),
        relations=RelationLoss(heads=4, layer=3, projections=("q", "k", "v")),
        unlabelled_share=0.25,
    ),
    unlabelled="more.txt",
    layer_stack="encoder.layers",
    lora=Lora(rank=4, target_modules=("query", "key")),
    probes="probes.txt",
)


@pytest.mark.parametrize("experiment", [FULL, make_experiment(LEAST)], ids=["full", "least"])
def test_yaml_and_back(experiment, tmp_path):
    path = tmp_path / "other-name.yaml"
    path.write_text(dump_experiment(experiment), encoding="utf-8")
    assert load_experiment(path) == experiment
    assert set(yaml.safe_load(path.read_text(encoding="utf-8"))) == set(Experiment.model_fields)  # defaults filled in


def test_a_file_of_ones_own_needs_little(tmp_path):
    path = tmp_path / "toxic.yaml"
    path.write_text("data: a.csv\nencoder: some/encoder\nrecipes: [even, lora]\ntraining: {learning_rate: 1e-4}\n")
    experiment = load_experiment(path)
    assert experiment.name == "toxic"
    assert experiment.recipes == (RECIPES["even"], RECIPES["lora"])
    assert experiment.training.learning_rate == 1e-4  # a string to YAML 1.1
    assert experiment.training.epochs == Training().epochs


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 3}, "experiment.yaml: epochs: no such setting; did you mean training.epochs?"),
        ({"training": {"epoch": 3}}, "experiment.yaml: training.epoch: no such setting; did you mean epochs?"),
        ({"training": {"temperature": 3}}, "training.temperature: no such setting; did you mean distillation.temp"),
        ({"epoch": 3}, "experiment.yaml: epoch: no such setting; did you mean training.epochs?"),
        ({"seed": 3}, "experiment.yaml: seed: no such setting; did you mean seeds?"),
        ({"nonsense": 3}, "experiment.yaml: nonsense: no such setting"),
        (
            {"distillation": {"temperature": {"strat": 4, "end": 1}}},
            "strat: no such setting; did you mean start?",
        ),
        ({"recipes": [{"name": "own", "layer": "odd"}]}, "recipes.0.layer: no such setting; did you mean layers?"),
        ({"training": {"epochs": 0}}, "training.epochs: Input should be greater than or equal to 1"),
        ({"training": {"epochs": 10**30}}, "training.epochs: Input should be less than or equal to 10000"),
        ({"training": {"epochs": 1e30}}, "training.epochs: "),
        ({"training": {"batch_size": 10**30}}, "training.batch_size: Input should be less than or equal to"),
        ({"training": {"max_length": 10**30}}, "training.max_length: Input should be less than or equal to"),
        ({"training": {"learning_rate": 1e300}}, "training.learning_rate: Input should be less than or equal to 1000"),
        ({"training": {"learning_rate": float("nan")}}, "training.learning_rate: Input should be"),
        ({"lora": {"rank": 10**30}}, "lora.rank: Input should be less than or equal to 4096"),
        ({"lora": {"alpha": 10**400}}, "lora.alpha: Input should be less than or equal to"),
        ({"seeds": [2**32]}, "seeds.0: Input should be less than 4294967296"),
        ({"explanations": {"steps": 10**30}}, "explanations.steps: Input should be less than or equal to 1000"),
        ({"distillation": {"temperature": 1e300}}, "distillation.temperature: Input should be less than or equal to"),
        ({"distillation": {"weights": {"hidden": 1e300}}}, "distillation.weights.hidden: Input should be less than"),
        ({"training": {"learning_rate": "fast"}}, "training.learning_rate: Input should be a valid number"),
        ({"training": {"learning_rate": float("inf")}}, "training.learning_rate"),
        ({"recipes": ["odd", "unknown"]}, "unknown recipe 'unknown': choose from odd, even, odd-labels,"),
        ({"recipes": []}, "recipes: "),
        ({"recipes": "odd"}, "recipes: "),
        ({"recipes": ["odd", "even", "odd"]}, "recipe 'odd' is given twice"),
        ({"seeds": [1, 2, 1]}, "seed 1 is given twice"),
        ({"seeds": []}, "seeds: "),
        ({"seeds": [-1]}, "seeds.0: "),
        ({"encoder": None}, "name an encoder to start from (a model id or a folder), or a ready teacher"),
        ({"name": "a/b"}, "name: must be letters, digits, '.', '_' or '-'"),
        ({"name": ".."}, "name: must be"),
        ({"name": "run\n"}, "name: must be"),
        ({"test_fraction": 1}, "test_fraction: Input should be less than 1"),
        ({"distillation": {"temperature": 0}}, "distillation.temperature: Input should be greater than 0"),
        (
            {"distillation": {"weights": {"classification": 0, "divergence": 0, "cosine": 0}}},
            "distillation.weights: all weights are 0 at the start; at least one must be above 0",
        ),
        (
            {"distillation": {"weights": {"classification": {"start": 1, "end": 0}, "divergence": 0, "cosine": 0}}},
            "distillation.weights: all weights are 0 at the end; at least one must be above 0",
        ),
        ({"distillation": {"weights": {"hidden": -1}}}, "distillation.weights.hidden: Input should be greater than or"),
        (
            {"distillation": {"weights": {"hidden": {"start": -1, "end": 0}}}},
            "distillation.weights.hidden.start: Input should be greater than or equal to 0",
        ),
        ({"distillation": {"weights": {"nonsense": 1}}}, "distillation.weights.nonsense: no such setting"),
        (
            {"distillation": {"temperature": {"start": 4, "end": 0}}},
            "distillation.temperature: must be above 0 at the start and at the end",
        ),
        ({"distillation": {"temperature": {"start": 4}}}, "distillation.temperature.end: Field required"),
        ({"distillation": {"temperature": "hot"}}, "distillation.temperature: Input should be a valid number"),
        ({"distillation": {"unlabelled_share": 1}}, "distillation.unlabelled_share: Input should be less than 1"),
        ({"distillation": {"relations": {"heads": 0}}}, "distillation.relations.heads: Input should be greater than"),
        ({"distillation": {"relations": {"layer": 0}}}, "distillation.relations.layer: Input should be greater than"),
        ({"distillation": {"hidden": {"distance": "l1"}}}, "distillation.hidden.distance: Input should be 'cosine' or"),
        ({"distillation": {"teacher_states": "ram"}}, "distillation.teacher_states: Input should be 'cached' or"),
        (
            {"training": {"classification": {"class_weights": [1, 0]}}},
            "training.classification.class_weights.1: Input should be greater than 0",
        ),
        (
            {"training": {"classification": {"class_weights": "equal"}}},
            "training.classification.class_weights: Input should be 'balanced'",
        ),
        ({"training": {"classification": {"label_smoothing": 1}}}, "training.classification.label_smoothing: "),
        ({"training": {"classification": {"focal_gamma": -1}}}, "training.classification.focal_gamma: "),
        ({"layer_sample": 0}, "layer_sample: Input should be greater than or equal to 1"),
        ({"layer_stack": ""}, "layer_stack: "),
        ({"unlabelled": ""}, "unlabelled: "),
        ({"recipes": [{**OWN, "distillation": {}}]}, "recipes.0: distillation: is for the objective distil alone"),
        (
            {"recipes": [{**OWN, "objective": "distil", "distillation": {"temperature": 0}}]},
            "recipes.0.distillation.temperature: Input should be greater than 0",
        ),
        (
            {"recipes": [{**OWN, "layers": "none"}]},
            "'none' is not one of all, odd, even, first:K, last:K, spaced:K, ends:K, influence:K, greedy:K or a list",
        ),
        ({"recipes": [{**OWN, "layers": "first:0"}]}, "recipes.0.layers: 'first:0' keeps no layer; K must be at least"),
        ({"recipes": [{**OWN, "layers": "greedy:00"}]}, "recipes.0.layers: 'greedy:00' keeps no layer"),
        ({"recipes": [{**OWN, "layers": "ends:-1"}]}, "recipes.0.layers: 'ends:-1' is not one of"),
        ({"recipes": [{**OWN, "layers": "first"}]}, "'first' is not one of"),
        ({"recipes": [{**OWN, "layers": "odd:3"}]}, "'odd:3' is not one of"),
        ({"recipes": [{**OWN, "layers": "all\n"}]}, "is not one of"),
        ({"recipes": [{**OWN, "layers": [0, 1]}]}, "recipes.0.layers: layer numbers count from 1, and there must be"),
        ({"recipes": [{**OWN, "layers": []}]}, "recipes.0.layers: layer numbers count from 1, and there must be one"),
        ({"recipes": [{**OWN, "layers": [1, "x"]}]}, "recipes.0.layers.1: Input should be a valid integer"),
        ({"recipes": [{**OWN, "layers": 3}]}, "recipes.0.layers: Input should be a valid string"),
        ({"recipes": [{**OWN, "name": "teacher"}]}, "recipes.0.name: must be letters"),
        ({"recipes": [{**OWN, "name": "../x"}]}, "recipes.0.name: must be letters"),
        ({"recipes": [{**OWN, "tuning": "half"}]}, "recipes.0.tuning: Input should be 'full' or 'lora'"),
        ({"recipes": [{**OWN, "learning_rate": 0}]}, "recipes.0.learning_rate: "),
        ({"recipes": [{**OWN, "learning_rate_factor": 0}]}, "recipes.0.learning_rate_factor: "),
        (
            {"recipes": [{**OWN, "learning_rate": 3e-4, "learning_rate_factor": 10}]},
            "recipes.0: give learning_rate or learning_rate_factor, not both",
        ),
        (
            {"recipes": ["odd", {**OWN, "learning_rate": 3e-4}], "matched": True},
            "matched: gives every recipe the same learning rate, and own has one of its own; leave one of them out",
        ),
        ({"recipes": [{"name": "own"}]}, "recipes.0.layers: Field required"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(settings, message):
    assert message in refused(**settings)


def rates(recipes, **settings) -> dict[str, float]:
    experiment = make_experiment({**LEAST, "recipes": recipes, "training": {"learning_rate": 3e-4}, **settings})
    assert experiment.learning_rate_of(None) == 3e-4  # the teacher's
    return {recipe.name: experiment.learning_rate_of(recipe) for recipe in experiment.recipes}


def test_the_rate_of_a_recipe_is_the_experiments_times_its_factor():
    written = [{**OWN, "name": "twice", "learning_rate_factor": 2}, {**OWN, "name": "plain"}]
    matched = [*written, "odd", "lora", "even-lora"]
    # To the last bit: 10 * 3e-4 is 0.0029999999999999996 in floating point.
    expected = {"twice": 6e-4, "plain": 3e-4, "odd": 3e-4, "lora": 3e-3, "even-lora": 3e-3}
    assert rates(matched) == expected
    assert rates([*matched, {**OWN, "learning_rate": 1e-5}]) == {**expected, "own": 1e-5}
    assert rates(matched, matched=True) == dict.fromkeys(expected, 3e-4)


def test_layers_of_ones_own_are_trained_at_the_common_rate():
    assert recipe_of_layers("first:3").learning_rate_factor == 1


def test_recipes_that_an_older_version_wrote_out_are_trained_as_it_trained_them(tmp_path):
    """An experiment.yaml of before there were factors names none, and knows no `matched`."""
    old = yaml.safe_load(dump_experiment(make_experiment({**LEAST, "recipes": ["odd", "lora"]})))
    assert old.pop("matched") is False
    for recipe in old["recipes"]:
        del recipe["learning_rate_factor"]
    path = tmp_path / "experiment.yaml"
    path.write_text(yaml.safe_dump(old), encoding="utf-8")
    experiment = load_experiment(path)
    usual = experiment.training.learning_rate
    assert [experiment.learning_rate_of(recipe) for recipe in experiment.recipes] == [usual, usual]
    assert experiment.matched is False


def numbers_of(schema, path=""):
    """Each number that a JSON schema describes, with its path."""
    if isinstance(schema, list):
        schema = dict(enumerate(schema))
    if not isinstance(schema, dict):
        return
    if schema.get("type") in {"integer", "number"}:
        yield path, schema
    for name, inner in schema.items():
        yield from numbers_of(inner, f"{path}/{name}")


@pytest.mark.parametrize("settings", [Experiment, ServeSettings])
def test_every_number_has_a_most(settings):
    """But layers, whose numbers are compared with the encoder's."""
    numbers = {path: number for path, number in numbers_of(settings.model_json_schema()) if "/layers/" not in path}
    assert len(numbers) >= 9
    assert not [path for path, number in numbers.items() if not {"maximum", "exclusiveMaximum"} & number.keys()]


def test_layers_may_be_in_any_order_and_more_than_once():
    assert recipe_of_layers([3, 1, 3]).layers == (3, 1, 3)
    assert recipe_of_layers([3, 1, 3]).name == "layers-3-1-3"


@pytest.mark.parametrize(
    ("layers", "measured"),
    [("influence:2", "influence"), ("greedy:2", "greedy"), ("ends:2", None), ("odd", None), ((2, 1), None)],
)
def test_some_strategies_look_at_the_teachers_layers(layers, measured):
    assert recipe_of_layers(layers).measured == measured


def test_a_number_or_a_ramp():
    assert value_at(0.5, 0.7) == 0.5
    assert [value_at(Ramp(start=4, end=1), progress) for progress in (0, 1 / 3, 1)] == pytest.approx([4, 3, 1])


def test_a_loss_that_weighs_something_at_any_time_is_looked_at():
    weights = LossWeights(hidden=Ramp(start=0, end=1), relations=Ramp(start=1, end=0), cosine=0)
    assert [name for name in LossWeights.model_fields if weights.ever(name)] == [
        *("classification", "divergence", "hidden", "relations")
    ]
    assert weights.at(0.5)["hidden"] == weights.at(0.5)["relations"] == 0.5


def test_a_ready_teacher_is_enough():
    assert make_experiment({**LEAST, "encoder": None, "teacher": "folder"}).encoder is None


def test_values_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        FULL.name = "other"


def test_the_first_seed():
    assert FULL.first_seed == 3


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("data/comments.csv", "comments"),
        ("my comments (new).csv", "my-comments-new"),
        ("../.hidden.csv", "hidden"),
        ("v1.2_final.parquet", "v1.2_final"),
        ("комментарии.csv", "run"),
        ("\x1b[2J.csv", "2J"),
        ("owner/dataset", "dataset"),
    ],
)
def test_a_run_is_named_after_a_file(file, name):
    assert run_name(file) == name
    assert make_experiment({"name": run_name(file), "data": file, "encoder": "e"}).name == name


def test_recipes_by_name_and_by_layers():
    assert named_recipe("lora") is RECIPES["lora"]
    with pytest.raises(ConfigError, match="unknown recipe 'oddd'"):
        named_recipe("oddd")
    own = recipe_of_layers([1, 2, 12])
    assert (own.name, own.layers) == ("layers-1-2-12", (1, 2, 12))
    assert (own.tuning, own.objective, own.init) == ("full", "distil", "teacher")
    assert recipe_of_layers("first:3").name == "first-3"
    with pytest.raises(ConfigError, match="layers: layers: layer numbers count from 1"):
        recipe_of_layers([0])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"data: [a\nencoder: x\n", r"e\.yaml, line 2: is not YAML"),
        (b"- data\n", r"e\.yaml: must hold settings as 'name: value' lines"),
        (b"", r"e\.yaml: must hold settings"),
        (b"data: caf\xe9\n", r"e\.yaml: can't be read as UTF-8 text"),
        (b"data: !!python/object/apply:os.getcwd []\n", r"e\.yaml, line 1: is not YAML"),
        (b"data: \x07\n", r"e\.yaml: is not YAML"),
        (b"1: one\ndata: a.csv\nencoder: x\n", r"e\.yaml: "),
    ],
)
def test_files_that_hold_no_settings_are_refused(content, message, tmp_path):
    path = tmp_path / "e.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        load_experiment(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"e\.yaml: no such file"):
        load_settings(tmp_path / "e.yaml")
    with pytest.raises(ConfigError, match="can't be read"):
        load_settings(tmp_path)
