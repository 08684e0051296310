"""What every group of settings is."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A frozen group of settings that refuses names it doesn't know."""

    model_config = ConfigDict(frozen=True, extra="forbid")
