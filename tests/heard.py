"""Progress that keeps what it was told."""

from dataclasses import dataclass, field

from foreshot.progress import Silent


@dataclass
class Heard(Silent):
    """What was said; the stages as [name, units, units done]; how often one ended; what was said of their state."""

    said: list[str] = field(default_factory=list)
    stages: list[list] = field(default_factory=list)
    ended: int = 0
    states: list[str] = field(default_factory=list)

    @property
    def open(self) -> int:
        """How many stages have begun and not ended."""
        return len(self.stages) - self.ended

    def say(self, message: str) -> None:
        self.said.append(message)

    def begin(self, stage: str, units: int) -> None:
        self.stages.append([stage, units, 0])

    def advance(self, units: int, state: str = "") -> None:
        self.stages[-1][2] += units
        self.states.append(state)

    def end(self) -> None:
        self.ended += 1
