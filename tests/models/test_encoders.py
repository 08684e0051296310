"""Encoders and classifiers: found, refused with a reason, and loaded as their files and the seed say."""

import json
import shutil
from functools import partial
from importlib import import_module

import pytest
import torch
from families import tiny_family
from tiny_models import CONFIGS, USUAL, VOCABULARY, logits_of, tiny_classifier, tiny_config, tiny_tokenizer
from transformers import (
    BartConfig,
    BertForMaskedLM,
    BertForTokenClassification,
    BertTokenizer,
    GPT2Config,
    GPT2ForSequenceClassification,
    ModernBertForMaskedLM,
    SqueezeBertConfig,
    SqueezeBertForSequenceClassification,
    T5Config,
)

from foreshot.errors import ModelError
from foreshot.models import encoders
from foreshot.models.encoders import (
    carried_head,
    find_model,
    head_modules,
    layer_stack,
    load_classifier,
    load_encoder,
    load_tokenizer,
    longest_input,
)
from foreshot.models.students import keep_layers

NAMES = ("benign", "toxic")


@pytest.fixture
def encoder_folder(tmp_path):
    tiny_classifier("bert", 2).base_model.save_pretrained(tmp_path / "encoder")
    tiny_tokenizer().save_pretrained(tmp_path / "encoder")
    return tmp_path / "encoder"


@pytest.fixture
def classifier_folder(tmp_path):
    model = tiny_classifier("bert", 2)
    model.config.id2label, model.config.label2id = dict(enumerate(NAMES)), {name: i for i, name in enumerate(NAMES)}
    model.save_pretrained(tmp_path / "classifier")
    return tmp_path / "classifier"


def refused(name) -> str:
    with pytest.raises(ModelError) as caught:
        find_model(str(name))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(name))
    return str(caught.value)


def change_config(folder, **fields) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_a_folder_is_found(encoder_folder):
    source = find_model(str(encoder_folder))
    assert source.name == str(encoder_folder)
    assert source.folder == encoder_folder
    assert source.config.model_type == "bert"
    assert source.depth == 2


def test_the_fingerprint_follows_weights_and_config_but_not_the_place(encoder_folder, tmp_path):
    first = find_model(str(encoder_folder)).fingerprint
    copy = tmp_path / "copy"
    shutil.copytree(encoder_folder, copy)
    assert find_model(str(copy)).fingerprint == first
    change_config(copy, layer_norm_eps=0.5)
    other_config = find_model(str(copy)).fingerprint
    tiny_classifier("bert", 2, seed=1).base_model.save_pretrained(copy)
    other_weights = find_model(str(copy)).fingerprint
    assert len({first, other_config, other_weights}) == 3


@pytest.mark.parametrize("name", ["nobody/misspelt-bert", "no-such-encoder"])
def test_an_id_that_is_not_cached_is_refused_offline(name, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    message = refused(name)
    assert "not in the local cache, and HF_HUB_OFFLINE is set; check the name or give a folder" in message


@pytest.mark.parametrize("name", ["bert base", "/no/such/folder", "a/b/c", "../up", "x" * 300])
def test_what_is_neither_a_folder_nor_an_id_is_refused(name):
    assert refused(name) == f"{name}: no such folder, and not a model id (owner/name)"


def test_a_folder_without_a_config_is_refused(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert "has no config.json of a known architecture" in refused(tmp_path)


@pytest.mark.parametrize(
    "config",
    [
        b"{",
        b"[]",
        b"\xff\xfe",
        b"{}",
        b'{"model_type": "no-such-architecture"}',
        b'{"model_type": "bert", "num_hidden_layers": "six"}',
    ],
)
def test_a_config_that_makes_no_sense_is_refused(encoder_folder, config):
    (encoder_folder / "config.json").write_bytes(config)
    assert "has no config.json of a known architecture" in refused(encoder_folder)


def test_weights_that_are_only_a_pickle_are_refused(encoder_folder):
    (encoder_folder / "model.safetensors").unlink()
    assert "its weights are not there; give a model with model.safetensors" in refused(encoder_folder)
    torch.save({}, encoder_folder / "pytorch_model.bin")
    assert "only as pickle (pytorch_model.bin), which can run code" in refused(encoder_folder)


@pytest.mark.parametrize("config", [T5Config(), BartConfig()], ids=["t5", "bart"])
def test_encoder_decoders_are_refused(tmp_path, config):
    config.save_pretrained(tmp_path)
    assert "an encoder-decoder is not an encoder" in refused(tmp_path)


def test_an_architecture_without_layers_to_choose_from_has_no_stack():
    with pytest.raises(ModelError, match=r"^albert: shares one layer's weights between all depths"):
        layer_stack(tiny_family("albert"))


def test_what_has_no_layers_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "resnet"}')
    assert "a resnet is not an encoder" in refused(tmp_path)


def test_a_decoders_layers_are_not_where_an_encoders_are():
    config = GPT2Config(n_layer=1, n_embd=16, n_head=2, vocab_size=VOCABULARY, bos_token_id=1, eos_token_id=1)
    with pytest.raises(ModelError) as caught:
        layer_stack(GPT2ForSequenceClassification(config))
    assert str(caught.value) == (
        "gpt2: has no stack of its 1 layers at encoder.layer or transformer.layer or layers; name the path to it from "
        "the base model with layer_stack (it may be h)"
    )


# ---- layers that stand elsewhere ----


@pytest.fixture
def unknown_folder(tmp_path):
    """SqueezeBERT, whose layers are called `encoder.layers`, with a tokenizer."""
    torch.manual_seed(0)
    config = SqueezeBertConfig(**USUAL, embedding_size=16, num_hidden_layers=3)
    model = SqueezeBertForSequenceClassification(config)
    model.transformer.save_pretrained(tmp_path / "squeeze")
    tiny_tokenizer().save_pretrained(tmp_path / "squeeze")
    return tmp_path / "squeeze"


def test_an_unknown_architecture_without_a_path_is_refused(unknown_folder):
    loaded = load_encoder(find_model(str(unknown_folder)), NAMES, seed=0)
    with pytest.raises(ModelError, match=r"^squeezebert: has no stack of its 3 .* \(it may be encoder\.layers\)$"):
        layer_stack(loaded)


@pytest.mark.parametrize("path", ["encoder", "layers", "encoder.layers.0", "nonsense", "transformer.encoder.layers"])
def test_a_wrong_path_is_refused(unknown_folder, path):
    loaded = load_encoder(find_model(str(unknown_folder), layers_at=path), NAMES, seed=0)
    with pytest.raises(ModelError) as caught:
        layer_stack(loaded)
    assert str(caught.value) == (
        f"squeezebert: has no stack of its 3 layers at {path}; name the path to it from the base model with "
        "layer_stack (it may be encoder.layers)"
    )


def test_the_path_to_the_layers_stays_with_a_saved_student(unknown_folder, tmp_path):
    loaded = load_encoder(find_model(str(unknown_folder), layers_at="encoder.layers"), NAMES, seed=0).eval()
    path, layers = layer_stack(loaded)
    assert path == "transformer.encoder.layers"
    assert layers is loaded.transformer.encoder.layers
    student = keep_layers(loaded, (3, 1))
    for place, number in ((0, 2), (1, 0)):
        kept = student.transformer.encoder.layers[place].state_dict()
        for name, tensor in layers[number].state_dict().items():
            assert torch.equal(kept[name], tensor), name
    student.save_pretrained(tmp_path / "student")
    again = load_classifier(find_model(str(tmp_path / "student")), NAMES)
    assert layer_stack(again)[0] == path
    assert len(layer_stack(again)[1]) == 2
    assert torch.equal(logits_of(again), logits_of(student))
    plain = SqueezeBertForSequenceClassification.from_pretrained(tmp_path / "student")
    assert torch.equal(logits_of(plain), logits_of(student))


def test_a_path_for_a_known_architecture_must_be_right_too(encoder_folder):
    right = load_encoder(find_model(str(encoder_folder), layers_at="encoder.layer"), NAMES, seed=0)
    assert layer_stack(right)[0] == "bert.encoder.layer"
    wrong = load_encoder(find_model(str(encoder_folder), layers_at="encoder.layers"), NAMES, seed=0)
    with pytest.raises(ModelError, match=r"at encoder\.layers; .*\(it may be encoder\.layer\)$"):
        layer_stack(wrong)


@pytest.mark.parametrize("architecture", CONFIGS)
def test_an_encoder_of_each_architecture_gets_a_head(architecture, tmp_path):
    model = tiny_classifier(architecture, 3)
    model.base_model.save_pretrained(tmp_path)
    source = find_model(str(tmp_path))
    loaded = load_encoder(source, ["a", "b", "c"], seed=0)
    assert loaded.config.id2label == {0: "a", 1: "b", 2: "c"}
    assert loaded.config.label2id == {"a": 0, "b": 1, "c": 2}
    assert logits_of(loaded).shape == (3, 3)
    encoder = model.base_model.state_dict()
    assert encoder
    for name, tensor in loaded.base_model.state_dict().items():
        assert torch.equal(tensor, encoder[name]), name
    path, layers = layer_stack(loaded)
    assert len(layers) == source.depth == 3
    assert loaded.get_submodule(path) is layers
    assert {name.split(".")[0] for name, _ in loaded.named_parameters()} - {loaded.base_model_prefix} == set(
        head_modules(loaded)
    )
    with pytest.raises(ModelError, match="is no ready classifier: its weights lack "):
        load_classifier(source, ["LABEL_0", "LABEL_1"])


def test_the_head_depends_on_its_seed_alone(encoder_folder):
    source = find_model(str(encoder_folder))

    def head(seed: int) -> torch.Tensor:
        torch.rand(seed + 3)
        return load_encoder(source, NAMES, seed=seed).classifier.weight.detach()

    assert torch.equal(head(1), head(1))
    assert not torch.equal(head(1), head(2))


def test_loading_leaves_the_global_random_numbers_alone(encoder_folder):
    source = find_model(str(encoder_folder))
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    load_encoder(source, NAMES, seed=1)
    assert torch.equal(torch.rand(4), expected)


def test_an_encoder_whose_file_lacks_layers_is_refused(encoder_folder):
    change_config(encoder_folder, num_hidden_layers=3)
    with pytest.raises(ModelError, match=r"its weights lack bert\.encoder\.layer\.2\..* and 15 more"):
        load_encoder(find_model(str(encoder_folder)), NAMES, seed=0)


def test_an_encoder_may_lack_its_pooler(tmp_path):
    model = tiny_classifier("bert", 2)
    model.bert.pooler = None
    model.base_model.save_pretrained(tmp_path)
    assert load_encoder(find_model(str(tmp_path)), NAMES, seed=0).bert.pooler is not None


# ---- an encoder that carries a head ----

HEADS = [*CONFIGS, "eurobert", "squeezebert", "rembert", "gpt2", "qwen2"]


def head_of(model) -> dict[str, torch.Tensor]:
    modules = tuple(f"{name}." for name in head_modules(model))
    return {name: tensor for name, tensor in model.state_dict().items() if name.startswith(modules)}


@pytest.mark.parametrize("labels", [2, 3, 1])
@pytest.mark.parametrize("architecture", HEADS)
def test_the_head_that_an_encoder_carries_is_not_used(architecture, labels, tmp_path):
    """A new one for each seed, that which the encoder alone would get; of the other model's configuration nothing."""
    carrying = tiny_family(architecture, num_labels=labels, problem_type="regression")
    carrying.base_model.save_pretrained(tmp_path / "bare")
    carrying.save_pretrained(tmp_path / "carrying")
    bare, source = find_model(str(tmp_path / "bare")), find_model(str(tmp_path / "carrying"))
    assert carried_head(bare) == []
    assert carried_head(source) == head_modules(carrying)
    loaded = load_encoder(source, NAMES, seed=1)
    head, old = head_of(loaded), head_of(carrying)
    assert head.keys() == old.keys()
    for name, tensor in head_of(load_encoder(bare, NAMES, seed=1)).items():
        assert torch.equal(head[name], tensor), name
    assert not any(tensor.shape == old[name].shape and torch.equal(tensor, old[name]) for name, tensor in head.items())
    other = head_of(load_encoder(source, NAMES, seed=2))
    assert any(not torch.equal(tensor, other[name]) for name, tensor in head.items())
    for name, tensor in loaded.base_model.state_dict().items():
        assert torch.equal(tensor, carrying.base_model.state_dict()[name]), name
    assert loaded.config.id2label == dict(enumerate(NAMES))
    assert loaded.config.num_labels == 2
    assert loaded.config.problem_type is None


def test_heads_of_other_tasks_are_not_used_either(tmp_path):
    torch.manual_seed(0)
    for name, model in (
        ("tokens", BertForTokenClassification(tiny_config("bert", 2, labels=5))),
        ("words", BertForMaskedLM(tiny_config("bert", 2))),
    ):
        model.save_pretrained(tmp_path / name)
        loaded = load_encoder(find_model(str(tmp_path / name)), NAMES, seed=0)
        assert loaded.classifier.weight.shape == (2, 16)
        assert torch.equal(
            loaded.bert.encoder.layer[1].output.dense.weight, model.bert.encoder.layer[1].output.dense.weight
        )
    assert carried_head(find_model(str(tmp_path / "words"))) == []


def test_what_a_head_begins_with_stays_where_it_is_pretrained(tmp_path):
    torch.manual_seed(0)
    model = ModernBertForMaskedLM(tiny_config("modernbert", 2))
    model.save_pretrained(tmp_path)
    loaded = load_encoder(find_model(str(tmp_path)), NAMES, seed=0)
    assert torch.equal(loaded.head.dense.weight, model.head.dense.weight)


def test_an_encoder_of_other_shapes_than_its_config_says_is_refused_whatever_head_it_carries(classifier_folder):
    change_config(classifier_folder, intermediate_size=23)
    with pytest.raises(ModelError, match=r"\(bert\.encoder\.layer\.\d\..* in its file, and .* by its config\.json\)$"):
        load_encoder(find_model(str(classifier_folder)), NAMES, seed=0)


@pytest.mark.parametrize("load", [partial(load_encoder, seed=0), load_classifier])
@pytest.mark.parametrize("damage", ["cut off", "empty", "not safetensors", "other sizes"])
def test_damaged_weights_are_refused(classifier_folder, load, damage):
    weights = classifier_folder / "model.safetensors"
    whole = weights.read_bytes()
    if damage == "other sizes":
        change_config(classifier_folder, intermediate_size=25)
    else:
        weights.write_bytes({"cut off": whole[:-100], "empty": b"", "not safetensors": b"PK" * 1000}[damage])
    with pytest.raises(ModelError, match="can't be loaded as a text classifier") as caught:
        load(find_model(str(classifier_folder)), NAMES)
    assert "\n" not in str(caught.value)


def test_a_ready_classifier_says_what_it_said(classifier_folder):
    loaded = load_classifier(find_model(str(classifier_folder)), NAMES)
    assert torch.equal(logits_of(loaded), logits_of(tiny_classifier("bert", 2)))
    assert list(loaded.config.id2label.values()) == list(NAMES)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("benign", "rude", "toxic"), "has 2 classes, the data 3"),
        (("benign", "rude"), r"its classes are \['benign', 'toxic'\], the data's are \['benign', 'rude'\]"),
        (("toxic", "benign"), "in this order"),
    ],
)
def test_a_classifier_of_other_classes_is_refused(classifier_folder, names, message):
    with pytest.raises(ModelError, match=message):
        load_classifier(find_model(str(classifier_folder)), names)


def test_a_classifier_without_names_of_its_own_takes_those_of_the_data(tmp_path):
    tiny_classifier("bert", 1, labels=12).save_pretrained(tmp_path)
    names = [f"class {number}" for number in range(12)]
    loaded = load_classifier(find_model(str(tmp_path)), names)
    assert loaded.config.id2label == dict(enumerate(names))


# ---- several labels ----


def test_a_new_classifier_of_several_labels_says_so_in_its_config(encoder_folder, tmp_path):
    load_encoder(find_model(str(encoder_folder)), ["a", "b", "c"], seed=0, multi_label=True).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["problem_type"] == "multi_label_classification"
    assert config["id2label"] == {"0": "a", "1": "b", "2": "c"}
    assert find_model(str(tmp_path)).is_multi_label


def test_a_new_classifier_of_classes_does_not(encoder_folder, tmp_path):
    load_encoder(find_model(str(encoder_folder)), NAMES, seed=0).save_pretrained(tmp_path)
    assert not find_model(str(tmp_path)).is_multi_label


@pytest.mark.parametrize(
    ("problem", "multi_label", "accepted"),
    [
        ("multi_label_classification", True, True),
        ("multi_label_classification", None, True),
        ("multi_label_classification", False, False),
        ("single_label_classification", True, False),
        ("single_label_classification", None, True),
        (None, True, True),
        (None, False, True),
    ],
)
def test_a_classifier_of_another_kind_of_labels_is_refused(classifier_folder, problem, multi_label, accepted):
    change_config(classifier_folder, problem_type=problem)
    source = find_model(str(classifier_folder))
    if accepted:
        loaded = load_classifier(source, NAMES, multi_label=multi_label)
        is_multi = problem == "multi_label_classification" or multi_label is True
        assert (loaded.config.problem_type == "multi_label_classification") == is_multi
    else:
        with pytest.raises(ModelError, match=f"its problem_type is {problem}"):
            load_classifier(source, NAMES, multi_label=multi_label)


def test_a_tokenizer_is_loaded_with_its_words(encoder_folder):
    tokenizer = load_tokenizer(find_model(str(encoder_folder)))
    assert tokenizer("w0 w1")["input_ids"] == [2, 4, 5, 3]


def test_a_tokenizer_without_a_vocabulary_is_refused(encoder_folder):
    """Transformers makes one of five special tokens then, and every text is unknown."""
    for path in encoder_folder.glob("tokenizer*"):
        path.unlink()
    assert len(BertTokenizer()) == 5
    with pytest.raises(ModelError, match="has no vocabulary"):
        load_tokenizer(find_model(str(encoder_folder)))


def test_a_tokenizer_without_padding_is_refused(encoder_folder):
    tokenizer = tiny_tokenizer()
    tokenizer.pad_token = None
    tokenizer.save_pretrained(encoder_folder)
    with pytest.raises(ModelError, match="has no padding token"):
        load_tokenizer(find_model(str(encoder_folder)))


def test_a_damaged_tokenizer_is_refused(encoder_folder):
    (encoder_folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="its tokenizer can't be loaded"):
        load_tokenizer(find_model(str(encoder_folder)))


@pytest.mark.parametrize("architecture", CONFIGS)
def test_the_longest_input_is_one_that_the_positions_are_enough_for(architecture, tmp_path):
    model = tiny_classifier(architecture, 1)
    model.base_model.save_pretrained(tmp_path)
    longest = longest_input(load_encoder(find_model(str(tmp_path)), NAMES, seed=0))
    assert longest == (38 if architecture in {"roberta", "xlm-roberta", "camembert", "mpnet"} else 40)
    with torch.inference_mode():
        assert torch.isfinite(model(input_ids=torch.full((1, longest), 9)).logits).all()
        if architecture in {"roberta", "xlm-roberta", "camembert", "mpnet", "bert", "distilbert", "electra"}:
            with pytest.raises((IndexError, RuntimeError)):
                model(input_ids=torch.full((1, longest + 1), 9))


def test_the_demo_is_the_encoder_that_its_digest_names():
    pytest.importorskip(encoders.DEMO_PACKAGE)
    source = find_model("demo")
    assert source.depth == 6
    assert source.config.hidden_size == 384
    assert load_tokenizer(source).pad_token_id is not None


def test_another_file_in_place_of_the_demos_encoder_is_refused(monkeypatch):
    pytest.importorskip(encoders.DEMO_PACKAGE)
    monkeypatch.setattr(encoders, "DEMO_DIGEST", "0" * 64)
    with pytest.raises(ModelError, match=r"model\.safetensors: is not the encoder that the demo was made with"):
        find_model("demo")


def test_the_demo_without_its_extra_is_refused(monkeypatch):
    monkeypatch.setattr(encoders, "DEMO_PACKAGE", "no_such_package")
    with pytest.raises(ModuleNotFoundError):
        import_module("no_such_package")
    with pytest.raises(ModelError, match=r"pip install 'foreshot\[demo\]'"):
        find_model("demo")


def test_labels_stand_in_the_order_of_the_logits(classifier_folder):
    change_config(classifier_folder, id2label={"1": "toxic", "0": "benign"})
    source = find_model(str(classifier_folder))
    assert source.labels == list(NAMES)
    assert load_classifier(source, NAMES).config.id2label == {0: "benign", 1: "toxic"}
