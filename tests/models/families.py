"""A tiny classifier of each family that docs/encoders.md has a row for, as Transformers builds it."""

import re
from pathlib import Path
from typing import Any

import torch
from tiny_models import VOCABULARY
from transformers import CONFIG_MAPPING, AutoModelForSequenceClassification, PreTrainedModel

PAGE = Path(__file__).resolve().parents[2] / "docs" / "encoders.md"
ROW = re.compile(r"^\| `(?P<family>[\w-]+)` \| (?P<compare>[^|]*) \| (?P<check>[^|]*) \|", re.MULTILINE)

USUAL: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "num_hidden_layers": 4,
    "intermediate_size": 24,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 3,
}
OWN: dict[str, dict[str, Any]] = {
    "albert": {"embedding_size": 8},
    "big_bird": {"block_size": 4, "num_random_blocks": 1},
    "bloom": {"n_layer": 4, "n_head": 2},
    "canine": {"num_hash_buckets": 64, "upsampling_kernel_size": 3, "local_transformer_stride": 8},
    "convbert": {"embedding_size": 16, "head_ratio": 1, "conv_kernel_size": 3},
    "deberta": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "pooler_hidden_size": 16},
    "deberta-v2": {
        **{"relative_attention": True, "position_buckets": 8, "pos_att_type": ["p2c", "c2p"], "share_att_key": True},
        **{"norm_rel_ebd": "layer_norm", "conv_kernel_size": 3, "pooler_hidden_size": 16},
    },
    "electra": {"embedding_size": 8},
    "esm": {"mask_token_id": 4, "position_embedding_type": "absolute"},
    "flaubert": {"emb_dim": 16, "n_layers": 4, "n_heads": 2},
    "funnel": {"block_sizes": [2, 2], "d_model": 16, "n_head": 2, "d_head": 8, "d_inner": 24},
    "longformer": {"attention_window": 8},
    "luke": {"entity_vocab_size": 10, "entity_emb_size": 8},
    "mobilebert": {
        **{"embedding_size": 16, "true_hidden_size": 16, "intra_bottleneck_size": 16},
        **{"num_feedforward_networks": 2},
    },
    "modernbert": {"local_attention": 8},
    "nystromformer": {"num_landmarks": 4, "segment_means_seq_len": 64},
    "opt": {"ffn_dim": 24, "word_embed_proj_dim": 16},
    "qwen2": {"vocab_size": VOCABULARY + 1},  # its tokenizer has a token of its own
    "rembert": {"input_embedding_size": 16, "output_embedding_size": 16},
    "squeezebert": {"embedding_size": 16},
    "xlm": {"emb_dim": 16, "n_layers": 4, "n_heads": 2},
    "xlnet": {"d_head": 8, "d_inner": 24},
    "xmod": {"languages": ["en_XX"], "default_language": "en_XX"},
}
WITHOUT = {
    "funnel": {"num_hidden_layers"},
    "gpt2": {"head_dim"},
    "openai-gpt": {"head_dim"},
    "xlnet": {"head_dim", "max_position_embeddings"},
}


def families() -> dict[str, tuple[str, str]]:
    """By family what the page says: whether it can be a comparison's encoder, and be checked."""
    return {row["family"]: (row["compare"].strip(), row["check"].strip()) for row in ROW.finditer(PAGE.read_text())}


def tiny_family(family: str, **more: Any) -> PreTrainedModel:
    """A classifier of four layers with random weights, of which no two are equal, in evaluation mode."""
    sizes = {**USUAL, **OWN.get(family, {}), **more}
    config = CONFIG_MAPPING[family](**{k: v for k, v in sizes.items() if k not in WITHOUT.get(family, ())})
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()
