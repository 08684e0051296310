"""Arms: the models that learn from the rows as they are, and those that are mended, each with a teacher of its kind."""

from dataclasses import dataclass, replace

from foreshot.comparison.folder import RunFolder
from foreshot.comparison.inputs import Inputs
from foreshot.files.fingerprints import fingerprint
from foreshot.settings.recipes import Recipe


@dataclass(frozen=True, kw_only=True)
class Arm:
    """What the models of one arm are made from, and where: its recipes alone stand in its experiment."""

    inputs: Inputs
    run: RunFolder

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """Those of its students."""
        return self.inputs.experiment.recipes


def arms_of(inputs: Inputs, run: RunFolder) -> list[Arm]:
    """The arm without mending, and after it that of the recipes with it, where there are any."""
    arms = [Arm(inputs=_with_recipes(inputs, mend=False), run=run)]
    if inputs.mended is None:
        return [Arm(inputs=inputs, run=run)]
    mended = replace(
        _with_recipes(inputs, mend=True),
        in_mended_arm=True,
        data_fingerprint=fingerprint([inputs.data_fingerprint, inputs.mended.fingerprint]),
    )
    return [*arms, Arm(inputs=mended, run=replace(run, teacher_name=mended.teacher_name, arm="-mended"))]


def _with_recipes(inputs: Inputs, *, mend: bool) -> Inputs:
    recipes = tuple(recipe for recipe in inputs.experiment.recipes if recipe.mend == mend)
    return replace(inputs, experiment=inputs.experiment.model_copy(update={"recipes": recipes}))
