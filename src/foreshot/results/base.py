"""What every group of findings is."""

from pydantic import BaseModel, ConfigDict


class Facts(BaseModel):
    """A frozen group of findings that refuses names it doesn't know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Estimate(Facts):
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float
