"""Trimming: a classifier without the word pieces that its training rows don't have, and what that changes.

The word vectors of the pieces that go are cut out of a copy of the model; all other weights stay as they are, and so
do the scores of every text whose tokens do. Rare words are written with smaller pieces, whose vectors were trained
with the words that have them.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
from tokenizers import Tokenizer
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from foreshot.errors import ModelError
from foreshot.exporting.parity import flipped
from foreshot.exporting.proving import Proof
from foreshot.exporting.subject import Subject
from foreshot.models.encoders import padded_positions
from foreshot.models.trimmed_tokenizer import trim_tokenizer
from foreshot.progress import Progress
from foreshot.runtime.bundle import ChangedTexts, TrimmedVocabulary

SUITE = "the suite's cases"


@dataclass(frozen=True, kw_only=True)
class OtherTexts:
    """Texts that trimming gives other tokens: their numbers, and the logits (texts, classes or labels) after it."""

    numbers: np.ndarray
    logits: np.ndarray
    facts: ChangedTexts


@dataclass(frozen=True, kw_only=True)
class Trimming:
    """A subject as it was and with fewer pieces, of which `kept[i]` had the id i now has."""

    whole: Subject
    trimmed: Subject
    kept: list[int]
    facts: TrimmedVocabulary

    def others(self, source: str, texts: Sequence[str], progress: Progress) -> OtherTexts:
        """Which of these texts get other tokens by it, and which of them another decision; both models are asked."""
        before = self.whole.runtime_tokenizer.tokenize(texts).ids
        after = self.trimmed.runtime_tokenizer.tokenize(texts).ids
        differ = [[self.kept[token] for token in new] != old for old, new in zip(before, after, strict=True)]
        numbers = np.flatnonzero(differ)
        logits = np.zeros((0, len(self.whole.labels)), dtype=np.float32)
        decided_otherwise = 0
        if len(numbers):
            differing = [texts[number] for number in numbers.tolist()]
            progress.begin(f"asking about the {len(numbers):,} of {source} with other tokens", 2 * len(numbers))
            try:
                unchanged = self.whole.reference(differing, progress)
                logits = self.trimmed.reference(differing, progress)
            finally:
                progress.end()
            decided_otherwise = len(flipped(unchanged, logits, self.whole.decision, self.whole.classes.positive))
        facts = ChangedTexts(
            source=source, texts=len(texts), other_tokens=len(numbers), other_decisions=decided_otherwise
        )
        progress.say(
            f"{source}: {facts.other_tokens:,} of {facts.texts:,} texts get other tokens, and {decided_otherwise:,} "
            "another decision"
        )
        return OtherTexts(numbers=numbers, logits=logits, facts=facts)


def trim(
    subject: Subject, texts: Sequence[str], always: Sequence[str], *, source: str, least_rows: int, progress: Progress
) -> Trimming:
    """A subject without the pieces that fewer than `least_rows` of the `texts` of `source` have, and none of `always`.

    What the tokenizer needs stays besides (`models.trimmed_tokenizer`), and so do tokens that the model's config names.
    Raises ModelError for a model or a tokenizer that can't be trimmed.
    """
    name, tokenizer = subject.source.name, subject.runtime_tokenizer
    rows = np.zeros(tokenizer.largest_id + 1, dtype=np.int64)
    for ids in tokenizer.tokenize(texts).ids:
        rows[sorted(set(ids))] += 1
    wanted = set(np.flatnonzero(rows >= least_rows).tolist()).union(*tokenizer.tokenize(always).ids)
    named = set(_tokens_named(subject.model).values())
    positions = padded_positions(subject.model)
    if positions is not None:  # which begin after the number of the padding token, so that it has to keep it
        named |= set(range(positions[1] + 1))
    trimmed = trim_tokenizer(name, subject.tokenizer_content, wanted | {at for at in named if at < len(rows)})
    whole = len(Tokenizer.from_str(subject.tokenizer_content).get_vocab())
    progress.say(f"vocabulary: {len(trimmed.kept):,} of {whole:,} word pieces stay")
    return Trimming(
        whole=subject,
        trimmed=replace(
            subject,
            model=_with_rows(subject.model, trimmed.kept, name),
            tokenizer=PreTrainedTokenizerFast(
                tokenizer_object=Tokenizer.from_str(trimmed.content), pad_token=subject.tokenizer.pad_token
            ),
            tokenizer_content=trimmed.content,
        ),
        kept=trimmed.kept,
        facts=TrimmedVocabulary(
            pieces=len(trimmed.kept), pieces_before=whole, least_rows=least_rows, source=source, changed=()
        ),
    )


def trimmed_proof(
    proof: Proof, trimming: Trimming, unseen: Mapping[str, Sequence[str]], progress: Progress
) -> tuple[Proof, TrimmedVocabulary]:
    """What a graph of the trimmed subject is proved by, and what trimming changes on its texts and on `unseen` ones.

    On texts whose tokens are the same it must say what the subject did before; on the others what the trimmed one does.
    """
    trimming.trimmed.check_tokenization(proof.texts)
    end = len(proof.texts) - (len(proof.suite.cases) if proof.suite else 0)
    reference, changed = proof.reference.copy(), []
    for source, first, texts in ((proof.source, 0, proof.texts[:end]), (SUITE, end, proof.texts[end:])):
        if texts:
            others = trimming.others(source, texts, progress)
            reference[first + others.numbers] = others.logits
            changed.append(others.facts)
    changed += [trimming.others(source, texts, progress).facts for source, texts in unseen.items() if texts]
    facts = trimming.facts.model_copy(update={"changed": tuple(changed)})
    return replace(proof, subject=trimming.trimmed, reference=reference), facts


def _with_rows(model: PreTrainedModel, kept: list[int], name: str) -> PreTrainedModel:
    """A copy of the model with these rows of its word vectors alone, in this order."""
    copy = deepcopy(model)
    table = copy.get_input_embeddings()
    if not isinstance(table, nn.Embedding):
        raise ModelError(
            f"{name}: its word vectors, a {type(table).__name__}, can't be cut; leave out ⟨trim_vocabulary⟩"
        )
    new = {old: at for at, old in enumerate(kept)}
    table.weight = nn.Parameter(table.weight.detach()[kept], requires_grad=False)
    table.num_embeddings = copy.config.vocab_size = len(kept)
    table.padding_idx = None if table.padding_idx is None else new.get(table.padding_idx)
    for field, token in _tokens_named(model).items():
        setattr(copy.config, field, new.get(token, token))
    return copy


def _tokens_named(model: PreTrainedModel) -> dict[str, int]:
    """The tokens that a model's config names, by the field: pad_token_id and its like."""
    fields = model.config.to_dict().items()
    return {field: value for field, value in fields if field.endswith("_token_id") and isinstance(value, int)}
