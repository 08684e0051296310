"""Teachers that are only asked, made small: of another architecture, width and tokenizer than the tests' encoder."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import tiny_bundles
import torch
from tiny_bundles import tiny_bundle
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaForSequenceClassification

from cli_runs import INSULTS, PRAISE, make_comments

WIDTH, LAYERS = 48, 3
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")


def bpe_tokenizer() -> PreTrainedTokenizerFast:
    """Byte pairs, merged letter by letter to the comments' own words, each with the space before it.

    Its merges are written out, as those that are trained have another order in each process.
    """
    words = sorted({f"Ġ{word}" for text, _ in make_comments() for word in text.split()})
    merges = list(dict.fromkeys((word[:end], word[end]) for word in words for end in range(1, len(word))))
    tokens = dict.fromkeys((*SPECIAL, *sorted(ByteLevel.alphabet()), *(first + second for first, second in merges)))
    tokenizer = Tokenizer(BPE({token: number for number, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=True)
    tokenizer.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    names = zip(("bos_token", "pad_token", "eos_token", "unk_token", "mask_token"), SPECIAL, strict=True)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, cls_token="<s>", sep_token="</s>", **dict(names))


@torch.no_grad()
def bpe_teacher(
    folder: Path,
    labels: Sequence[str] = ("benign", "toxic"),
    *,
    toxic: int = 1,
    blind_to: Sequence[str] = (),
    problem_type: str | None = None,
) -> Path:
    """A RoBERTa of three layers that knows an insult, but those it is `blind_to` are praise to it; no step trained it.

    Its layers only mix: of every token's vector one direction says how rude the word is, attention carries that to the
    first token, and the head asks for it, in the logit of label number `toxic`. The other logits are small noise.
    """
    tokenizer = bpe_tokenizer()
    vocabulary = tokenizer.get_vocab()
    torch.manual_seed(5)
    config = RobertaConfig(
        vocab_size=len(vocabulary),
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=66,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)},
    )
    if problem_type is not None:
        config.problem_type = problem_type
    model = RobertaForSequenceClassification(config).eval()
    rude = torch.zeros(WIDTH)
    rude[0] = 1.0
    words = model.roberta.embeddings.word_embeddings.weight
    for side, of_side in ((1, INSULTS), (-1, PRAISE)):
        for word in of_side:
            words[vocabulary[f"Ġ{word}"]] += (-4 if word in blind_to else side * 4) * rude
    for layer in model.roberta.encoder.layer:
        attention = layer.attention
        attention.self.query.weight.zero_()  # every token looks at all alike
        attention.self.value.weight.copy_(torch.eye(WIDTH) * 4)
        attention.output.dense.weight.copy_(torch.eye(WIDTH))
    # What the head sees of the two sides, so that its logit is 0 between them.
    states = []
    for word in (next(word for word in INSULTS if word not in blind_to), PRAISE[-1]):
        inputs = tokenizer(f"the {word} cook read this page", return_tensors="pt")
        states.append(model.roberta(inputs["input_ids"]).last_hidden_state[0, 0])
    apart, middle = states[0] - states[1], (states[0] + states[1]) / 2
    head = model.classifier
    head.dense.weight.zero_()
    head.dense.weight[0] = apart / apart.norm()
    head.dense.bias.zero_()
    head.dense.bias[0] = -(apart / apart.norm()) @ middle
    head.out_proj.weight.zero_()
    head.out_proj.weight[toxic, 0] = 5.0
    head.out_proj.bias.copy_(torch.linspace(-0.2, 0.2, len(labels)))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def word_bundle(folder: Path, **overrides: object) -> Path:
    """A tiny bundle that knows the comments' insults; any other word is an ordinary one to it."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tiny_bundles, "RUDE", tuple(INSULTS))
        patched.setattr(tiny_bundles, "WORDS", (*tiny_bundles.SPECIAL, *INSULTS, "the", "you", "thank"))
        return tiny_bundle(folder, **overrides)
