"""Make bpe-roberta/: an untrained RoBERTa of 4 layers x 256 with a byte-level BPE of jigsaw.csv's texts."""

import csv
from pathlib import Path

import torch
from tokenizers import ByteLevelBPETokenizer
from tokenizers.processors import RobertaProcessing
from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaModel

FOLDER = Path("bpe-roberta")
SPECIAL = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "mask_token": "<mask>"}

with Path("jigsaw.csv").open(encoding="utf-8", newline="") as file:
    texts = [row["comment_text"] for row in csv.DictReader(file)]
pieces = ByteLevelBPETokenizer()
pieces.train_from_iterator(texts, vocab_size=6000, special_tokens=list(SPECIAL.values()))
inner = pieces._tokenizer  # the library's own class, which takes a post-processor
inner.post_processor = RobertaProcessing(("</s>", inner.token_to_id("</s>")), ("<s>", inner.token_to_id("<s>")))
tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=inner,
    cls_token="<s>",  # noqa: S106
    sep_token="</s>",  # noqa: S106
    model_max_length=128,
    **SPECIAL,
)
tokenizer.save_pretrained(FOLDER)
torch.manual_seed(0)
config = RobertaConfig(
    vocab_size=6000,
    hidden_size=256,
    num_hidden_layers=4,
    num_attention_heads=4,
    intermediate_size=1024,
    max_position_embeddings=130,
)
RobertaModel(config).save_pretrained(FOLDER)
