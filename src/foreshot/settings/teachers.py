"""Several teachers: what each counts for, and what becomes of the rows on which they differ."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from foreshot.settings.base import Settings

TeacherWeight = Annotated[float, Field(ge=0, le=1e6)]


class Teachers(Settings):
    """How the probabilities of several teachers are averaged, and what rows on which they differ weigh.

    `weights` are "equal", "fitted" on the validation rows (`judging.teachers.fitted_weights`), or one for each teacher
    in the order in which they are named; their sum doesn't matter. `disagreement` δ gives what is learnt from the
    teachers on a row the weight exp(−4 δ v), v being the weighted variance of their probabilities, 0 to ¼
    (`judging.teachers.row_weights`); at 0 all rows weigh alike.
    """

    weights: Literal["equal", "fitted"] | tuple[TeacherWeight, ...] = "equal"
    disagreement: Annotated[float, Field(ge=0, le=20)] = 0.0

    @field_validator("weights")
    @classmethod
    def _count_for_something(cls, weights: str | tuple[float, ...]) -> str | tuple[float, ...]:
        if not isinstance(weights, str) and sum(weights) == 0:
            raise ValueError("must be equal, fitted, or a number for each teacher, of which one is above 0")
        return weights
