"""Mending: what is done to training texts so that students see what they were blind to."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from foreshot.settings.base import Settings

MOST = 0.5
"""The largest share of an epoch's texts: with more of them the data would no longer be what is learnt."""

MOST_ROUNDS = 10

MendedShare = Annotated[float, Field(ge=0, le=MOST)]


class Mending(Settings):
    """What recipes with `mend` are mended by, and with them the teacher that they learn from, where the run trains it.

    In each epoch a share `disguises` of the labelled texts is disguised, each in one of `disguise_kinds` (None: those
    of `suites.perturbations.MENDED_WITH`), and what the teacher says of the undisguised text is what is learnt of it. A
    share `contrasts` of the texts is contrast texts (`suites.lessons`) in place of rows, which come in a later epoch:
    the number of updates stays the same. `lessons` says which outputs of a task of several learn what from them: an
    output's name, and "toxic" (whether the text is) or "hateful" (whether it attacks a group); the judged output learns
    "toxic".
    With `identities` rows that mention a group are weighed so that none is toxic more often than all rows are
    (`data.identity_groups.identity_weights`); which rows do, the experiment's identity columns or terms say.

    Before a student that learns from the teacher on unlabelled texts, `rounds` scouts are trained one after another:
    the same recipe, seed and training. In each pass over the unlabelled texts those come first on which the last scout
    decides otherwise than the teacher (the likeliest class, or the judged output at the threshold in use or 0.5), the
    teacher's surest decisions first among them; then the others, shuffled. Batches are shuffled within an epoch, so it
    tells most where there are more unlabelled texts than an epoch takes. A round costs a whole training of the student,
    for each seed and each learning rate that is tried, and an answer to every unlabelled text.
    """

    disguises: MendedShare = 0.25
    disguise_kinds: tuple[str, ...] | None = None
    contrasts: MendedShare = 0.25
    rounds: Annotated[int, Field(ge=0, le=MOST_ROUNDS)] = 0
    lessons: Annotated[dict[str, str], Field(default_factory=dict)]
    identities: bool = False

    @model_validator(mode="before")
    @classmethod
    def _shares_are_small(cls, settings: Any) -> Any:
        if isinstance(settings, dict):
            for name in ("disguises", "contrasts"):
                share = settings.get(name)
                if isinstance(share, int | float) and share > MOST:
                    raise ValueError(f"{name}: {share:g} is above {MOST:g}, so most texts would not be the data's own")
        return settings

    @model_validator(mode="after")
    def _lessons_are_known(self) -> "Mending":
        for name, meant in self.lessons.items():
            if meant not in ("toxic", "hateful"):
                raise ValueError(f"lessons: {name} can learn toxic or hateful from contrast texts, not {meant!r}")
        return self
