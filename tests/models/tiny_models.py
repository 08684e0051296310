"""Small models with random weights, one for each architecture, built without any file."""

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import AutoModelForSequenceClassification as Classifier
from transformers import (
    BertConfig,
    CamembertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    MPNetConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    XLMRobertaConfig,
)

VOCABULARY = 50
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"w{number}" for number in range(VOCABULARY - 4))]

SIZES = {"vocab_size": VOCABULARY, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}
USUAL = {**SIZES, "max_position_embeddings": 40}
CONFIGS = {
    "bert": (BertConfig, USUAL),
    "roberta": (RobertaConfig, USUAL),
    "xlm-roberta": (XLMRobertaConfig, USUAL),
    "camembert": (CamembertConfig, USUAL),
    "distilbert": (
        DistilBertConfig,
        {"vocab_size": VOCABULARY, "dim": 16, "n_heads": 2, "hidden_dim": 24, "max_position_embeddings": 40},
    ),
    "electra": (ElectraConfig, {**USUAL, "embedding_size": 8}),
    "mpnet": (MPNetConfig, USUAL),
    "deberta-v2": (
        DebertaV2Config,
        {
            **USUAL,
            "relative_attention": True,
            "position_buckets": 8,
            "pos_att_type": ["p2c", "c2p"],
            "share_att_key": True,
            "norm_rel_ebd": "layer_norm",
            "conv_kernel_size": 3,
            "pooler_hidden_size": 16,
        },
    ),
    "modernbert": (
        ModernBertConfig,
        {
            **USUAL,
            "pad_token_id": 0,
            "bos_token_id": 2,
            "eos_token_id": 3,
            "cls_token_id": 2,
            "sep_token_id": 3,
            "local_attention": 8,
        },
    ),
}


def tiny_config(architecture: str, layers: int, labels: int = 2) -> PreTrainedConfig:
    config_class, sizes = CONFIGS[architecture]
    depth = "n_layers" if architecture == "distilbert" else "num_hidden_layers"
    return config_class(**{**sizes, depth: layers, "num_labels": labels})


def tiny_classifier(architecture: str = "bert", layers: int = 6, *, labels: int = 2, seed: int = 0) -> PreTrainedModel:
    """A classifier in evaluation mode; no two of its weights are equal, so that no copy is right by chance."""
    torch.manual_seed(seed)
    model = Classifier.from_config(tiny_config(architecture, layers, labels))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Words w0, w1, … and a token at each end, as BERT has them."""
    tokenizer = Tokenizer(WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", WORDS.index("[CLS]")), ("[SEP]", WORDS.index("[SEP]"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )


def tiny_model_folder(folder: Path, *, labels: Sequence[str] = ("benign", "toxic"), multi_label: bool = False) -> Path:
    """A BERT of two layers saved with its labels and its tokenizer, whose mask token is w9; gives the folder."""
    model = tiny_classifier("bert", 2, labels=len(labels))
    model.config.id2label, model.config.label2id = dict(enumerate(labels)), {name: i for i, name in enumerate(labels)}
    if multi_label:
        model.config.problem_type = "multi_label_classification"
    model.save_pretrained(folder)
    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens({"mask_token": "w9"})
    tokenizer.save_pretrained(folder)
    return folder


def some_inputs(rows: int = 3, tokens: int = 9, seed: int = 0) -> dict[str, torch.Tensor]:
    """Token ids above all special ones; the last row is padded."""
    ids = torch.randint(5, VOCABULARY, (rows, tokens), generator=torch.Generator().manual_seed(seed))
    mask = torch.ones_like(ids)
    mask[-1, -3:] = 0
    return {"input_ids": ids, "attention_mask": mask}


@torch.inference_mode()
def logits_of(model: torch.nn.Module) -> torch.Tensor:
    return model.eval()(**some_inputs()).logits
