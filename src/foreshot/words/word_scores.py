"""Word scores: what each word of the explained texts does to a model's decision, and what the strongest ones do."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from foreshot.runtime.leave_one_out import kept_only, left_out, without, word_scores
from foreshot.words.explained import ExplainedTexts
from foreshot.words.faithfulness import SHARES, chosen_words, mean_fall


@dataclass(frozen=True, kw_only=True)
class WordScores:
    """Of one model: what the words of text i do to the class that counts as toxic, `log_odds[i]` (words,), in nats.

    `scores[i]` (words,) are by leave-one-out the same of its probability; by gradients they are `log_odds[i]`.
    `decided` (texts,) tells what is decided to be of that class, `probabilities` (texts,) how likely it is;
    `comprehensiveness` and `sufficiency` (texts,) are those of the decision.
    """

    scores: list[np.ndarray]
    log_odds: list[np.ndarray]
    decided: np.ndarray
    probabilities: np.ndarray
    comprehensiveness: np.ndarray
    sufficiency: np.ndarray

    def towards_decision(self, index: int) -> np.ndarray:
        """The log-odds of a text's words, turned where they push away from what is decided."""
        return toward(self.log_odds[index], bool(self.decided[index]))


def toward(scores: np.ndarray, positive: bool) -> np.ndarray:
    """Scores that push towards the positive class, as those that push towards what is decided."""
    return scores if positive else -scores


def texts_left_out(explained: ExplainedTexts) -> list[str]:
    """Every text once for each of its words, without it, text after text."""
    return [
        part for text, words in zip(explained.texts, explained.words, strict=True) for part in left_out(text, words)
    ]


def leave_one_out_scores(explained: ExplainedTexts, whole: np.ndarray, parts: np.ndarray) -> list[np.ndarray]:
    """From the probabilities, or log-odds, of the texts (texts,) and of `texts_left_out`, each text's word scores."""
    parts_of_texts = np.split(parts, np.cumsum(explained.word_counts)[:-1])
    return [
        np.array(word_scores(float(one), of_text.tolist())) for one, of_text in zip(whole, parts_of_texts, strict=True)
    ]


def reduced_texts(explained: ExplainedTexts, scores: Sequence[np.ndarray], decided: np.ndarray) -> list[str]:
    """Every text without its strongest words, for each of SHARES, then with these alone; text after text."""
    found = []
    for text, words, of_text, positive in zip(explained.texts, explained.words, scores, decided, strict=True):
        choices = [[words[number] for number in chosen] for chosen in chosen_words(toward(of_text, bool(positive)))]
        found += [without(text, chosen) for chosen in choices] + [kept_only(chosen) for chosen in choices]
    return found


def with_faithfulness(
    scores: list[np.ndarray],
    log_odds: list[np.ndarray],
    decided: np.ndarray,
    probabilities: np.ndarray,
    reduced: np.ndarray,
) -> WordScores:
    """Word scores with what the probabilities of `reduced_texts` (of the positive class) say about them."""
    of_decision = np.where(decided, probabilities, 1 - probabilities)
    by_text = reduced.reshape(len(scores), 2, len(SHARES))
    by_text = np.where(decided[:, None, None], by_text, 1 - by_text)
    falls = np.array(
        [[mean_fall(whole, changed) for changed in parts] for whole, parts in zip(of_decision, by_text, strict=True)]
    )
    return WordScores(
        scores=scores,
        log_odds=log_odds,
        decided=decided,
        probabilities=probabilities,
        comprehensiveness=falls[:, 0],
        sufficiency=falls[:, 1],
    )
