"""What mending changes in a training: which rows an epoch has, which are disguised, and nothing besides."""

import numpy as np
import pytest
import torch
from test_loop import toy_task, weights
from tiny_models import tiny_classifier

from foreshot.models.batches import EncodedRows, Rounds, collate
from foreshot.models.outputs import Outputs
from foreshot.models.token_store import ReplacedTokens
from foreshot.progress import Silent
from foreshot.settings.losses import Distillation
from foreshot.settings.training import Training
from foreshot.training.device import CPU
from foreshot.training.loop import Teaching, lesson_of, teacher_batch, train
from foreshot.training.mending import MendedEpochs, MixedRounds
from foreshot.training.seeding import generator

CONTRASTS = 20
SETTINGS = Training(batch_size=16, epochs=3)


def taught(mended: MendedEpochs | None, monkeypatch, teaching: Teaching | None = None, rows: int | None = None):
    """The rows of each step, their token ids, and the history; 60 rows, of which the last may be contrast texts."""
    encoded, labels = toy_task()
    encoded = encoded.between(0, rows or len(encoded))
    seen, ids = [], []

    def spy(of_epoch, numbers):
        seen.append(numbers.tolist())
        ids.append([list(of_epoch.ids[row]) for row in numbers])
        return collate(of_epoch, numbers)

    monkeypatch.setattr("foreshot.training.loop.collate", spy)
    model = tiny_classifier("bert", 1)
    history = train(
        model,
        encoded,
        labels[: len(encoded)],
        settings=SETTINGS,
        learning_rate=1e-3,
        seed=0,
        mended=mended,
        teaching=teaching,
        progress=Silent(),
    )
    return seen, ids, history, model


def test_a_share_of_what_is_taken_is_contrast_texts_and_none_comes_again_before_all_have_come():
    rounds = MixedRounds(60, MendedEpochs(contrasts=CONTRASTS, share=0.25, disguised=[]), generator(0, "batches"))
    taken = [rounds.take(10) for _ in range(16)]  # 160 rows: 40 contrast texts, which are two rounds, and 120 others
    everything = np.concatenate(taken)
    assert np.bincount(everything, minlength=60).tolist() == [3] * 40 + [2] * 20
    assert {int((rows >= 40).sum()) for rows in taken} == {2, 3}  # a quarter of ten, kept over


def test_an_epoch_has_as_many_updates_of_the_same_sizes_as_without(monkeypatch):
    plain, _, history, _ = taught(None, monkeypatch, rows=40)
    mended, _, of_mended, _ = taught(MendedEpochs(contrasts=CONTRASTS, share=0.25, disguised=[]), monkeypatch)
    assert sorted(map(len, mended)) == sorted(map(len, plain))
    assert of_mended.steps_per_epoch == history.steps_per_epoch == 3  # 40 rows: 16, 16, 8
    for epoch in range(3):
        rows = [row for batch in mended[3 * epoch : 3 * epoch + 3] for row in batch]
        assert len(rows) == 40
        assert sum(row >= 40 for row in rows) == 10


def test_a_row_is_disguised_in_its_epoch_alone_and_the_teacher_speaks_of_the_undisguised_one(monkeypatch):
    encoded, _ = toy_task()
    other = [2, 7, 7, 3]
    disguised = [{}, {5: other, 41: other}, {}]
    logits = np.arange(120, dtype=np.float32).reshape(60, 2)
    said = []
    monkeypatch.setattr(
        "foreshot.training.loop.teacher_batch",
        lambda teaching, rows, *rest: (
            said.append((rows.tolist(), found := teacher_batch(teaching, rows, *rest))) or found
        ),
    )
    teaching = Teaching(settings=Distillation(cosine_on="logits"), outputs=Outputs(logits=logits, representations=None))
    mended = MendedEpochs(contrasts=0, share=0.0, disguised=disguised)
    seen, ids, _, _ = taught(mended, monkeypatch, teaching)
    steps = 4
    for number, (rows, tokens) in enumerate(zip(seen, ids, strict=True)):
        of_epoch = disguised[number // steps]
        assert tokens == [of_epoch.get(row, list(encoded.ids[row])) for row in rows]
    assert sum(row in rows for rows in seen[steps : 2 * steps] for row in (5, 41)) == 2
    assert all(outputs.logits.tolist() == logits[rows].tolist() for rows, outputs in said)


def test_words_of_disguises_alone_are_learnt_too(monkeypatch):
    encoded, _ = toy_task()
    before = weights(tiny_classifier("bert", 1))["bert.embeddings.word_embeddings.weight"]
    new = int(max(set(range(before.shape[0])) - set(encoded.occurring.tolist())))
    *_, model = taught(MendedEpochs(contrasts=0, share=0.0, disguised=[{0: [2, new, 3]}, {}, {}]), monkeypatch)
    after = weights(model)["bert.embeddings.word_embeddings.weight"]
    assert not torch.equal(before[new], after[new])


def test_the_seed_alone_decides_which_rows_each_step_has(monkeypatch):
    mended = MendedEpochs(contrasts=CONTRASTS, share=0.25, disguised=[{1: [2, 3]}, {}, {7: [2, 9, 3]}])
    first, ids, _, one = taught(mended, monkeypatch)
    second, same_ids, _, other = taught(mended, monkeypatch)
    assert (first, ids) == (second, same_ids)
    assert all(torch.equal(tensor, weights(other)[name]) for name, tensor in weights(one).items())


def test_numbers_that_come_first_do_so_in_each_round_and_the_others_stay_shuffled_as_they_were():
    rounds, plain = Rounds(10, 16, generator(0, "x"), ahead=np.array([4, 1])), Rounds(10, 16, generator(0, "x"))
    for _ in range(3):
        shuffled = plain.take(6).tolist()
        assert rounds.take(1).tolist() == [14]
        assert rounds.take(5).tolist() == [11, *(number for number in shuffled if number not in {14, 11})]


def test_unlabelled_rows_that_come_first_are_in_the_first_batches_and_labelled_ones_stay_where_they_were(monkeypatch):
    encoded, _ = toy_task()
    first = np.array([150, 3, *range(100, 138)])  # 40 of 200: more than the 24 that an epoch takes
    teaching = Teaching(
        settings=Distillation(cosine_on="logits", unlabelled_share=0.5),
        outputs=Outputs(logits=np.zeros((260, 2), dtype=np.float32), representations=None),
        unlabelled=EncodedRows(ids=[list(encoded.ids[row % 60]) for row in range(200)], tokenizer=encoded.tokenizer),
    )

    def epochs_of(unlabelled_first):
        mended = MendedEpochs(contrasts=CONTRASTS, share=0.25, disguised=[], unlabelled_first=unlabelled_first)
        seen, _, _, _ = taught(mended, monkeypatch, teaching)
        of_epochs = [[row for batch in seen[at : at + 3] for row in batch] for at in (0, 3, 6)]  # 40 rows, 16 at a time
        return [sorted(row - 60 for row in rows if row >= 60) for rows in of_epochs], [
            [row for row in rows if row < 60] for rows in of_epochs
        ]

    unlabelled, labelled = epochs_of(first)
    assert [len(rows) for rows in unlabelled] == [24, 24, 24]
    assert unlabelled[0] == sorted(first[:24].tolist())
    assert set(first[24:].tolist()) < set(unlabelled[1])
    assert len({row for rows in unlabelled for row in rows}) == 72  # none comes again before all have come
    others, same = epochs_of(None)
    assert labelled == same
    assert others[0] != unlabelled[0]


@pytest.mark.parametrize("replaced", [{}, {0: [1, 2, 3, 4, 5, 6], 3: [9]}])
def test_replaced_tokens_are_as_long_as_they_are(replaced):
    rows = EncodedRows(ids=[[1, 2], [3], [4, 5, 6], [7, 8]], tokenizer=None)
    tokens = ReplacedTokens(rows, replaced)
    expected = [replaced.get(row, list(rows.ids[row])) for row in range(4)]
    assert [list(ids) for ids in tokens] == expected
    assert tokens.lengths.tolist() == [len(ids) for ids in expected]
    assert set(tokens.occurring.tolist()) == {1, 2, 3, 4, 5, 6, 7, 8} | {id for ids in replaced.values() for id in ids}
    assert rows.lengths.tolist() == [2, 1, 3, 2]


def test_classes_are_weighed_as_without_contrast_texts():
    encoded, labels = toy_task()
    settings = Training(classification={"class_weights": "balanced"})
    alone = lesson_of(encoded.between(0, 40), torch.as_tensor(labels[:40]), settings, None, CPU)
    all_toxic = torch.cat([torch.as_tensor(labels[:40]), torch.ones(20, dtype=torch.int64)])
    mended = lesson_of(encoded, all_toxic, settings, None, CPU, contrasts=20)
    assert torch.equal(mended.class_weights, alone.class_weights)
