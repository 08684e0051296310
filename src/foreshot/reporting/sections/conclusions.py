"""What a reader should conclude, and what not."""

from foreshot.reporting.behaviour import behaviours
from foreshot.reporting.section import Block, Bullets, Columns, Heading, Section
from foreshot.reporting.tables import models_of, seed_count
from foreshot.reporting.texts import shortened
from foreshot.results.results import Results


def section(results: Results) -> Section:
    """The section: what the report shows, and what nobody can conclude from it."""
    can: list[Block] = [Heading("You can see from this report"), Bullets(can_say(results))]
    can_not: list[Block] = [Heading("You can't conclude from it"), Bullets(cannot_say(results))]
    title = "What to conclude, and what not"
    return Section("conclusions", "What to conclude", title, [Columns([can, can_not], "two")])


def can_say(results: Results) -> list[str]:
    """What a reader may conclude."""
    said = [
        "Which student to ship under the stated margins, and what speaks against each of the others: the verdict is "
        "reached by fixed rules (docs/verdict.md) from the numbers below.",
        "Which model has the lower cross-entropy on these test rows: that column is measured in the same "
        "way for all of them.",
        "What each model costs to keep, and what it cost to train and to run on this machine.",
    ]
    if behaviours(results):
        said.append(
            "Whether a metric hides a change of behaviour: a model with a better loss can catch fewer of the cases "
            "that matter. Read both together."
        )
    if results.comparisons:
        said.append(
            "Which differences between models are more than chance among these rows: those called better or worse, "
            "corrected for the number of pairs."
        )
    return said


def cannot_say(results: Results) -> list[str]:
    """What a reader may not conclude, and why."""
    said = [_training_loss_warning(results), _seeds_warning(results), *_behaviour_warnings(results)]
    if results.reasons is not None:
        said.append(
            "That a model understands what it flags: word scores show which words its output hangs on, in the texts "
            "that were explained, and not why."
        )
    said.append(_data_warning(results))
    if any(not model.is_matched for model in models_of(results)):
        said.append(
            "That a recipe is better where its row is marked as not matched: its learning rate differs as well."
        )
    if any(model.is_teacher and model.first.training is None for model in models_of(results)):
        said.append("How the students compare with a teacher made under the same conditions: this one was given ready.")
    said.append(
        "How fast a model answers where it is deployed: the verdict counts layers and parameters as cost, and no "
        "latency was measured."
    )
    if results.verdict.recommended is not None:
        said.append("That the recommended student is good: it is as good as its teacher, with the teacher's faults.")
    return [line for line in said if line]


def _seeds_warning(results: Results) -> str:
    seeds = seed_count(results)
    if seeds == 1:
        return (
            "That training again would give the same: with one seed, nothing shows how much of a difference is the "
            "chance of training. The intervals know the chance of the rows alone. Run it with several seeds."
        )
    return (
        f"More about the chance of training than {seeds} seeds show, and nothing about that of the teacher's, which is "
        "one draw: another one would give other students."
    )


def _behaviour_warnings(results: Results) -> list[str]:
    probes, suite = len(results.probes), results.suite
    said = []
    if suite is not None:
        said.append(
            f"How often a model fails on real traffic: {shortened(suite.name, 80)} is one suite, its cases are short, "
            "made to test one thing each, and many come from the same templates. Other languages, long threads, images "
            "and new slang are not in it unless its author put them there."
        )
    if probes:
        said.append(
            f"{'A rate of failures' if suite else 'How often a model fails on real traffic'} from the "
            f"{probes:,} {'probe: it is' if probes == 1 else 'probes: they are'} a chosen sample of what matters."
        )
    if suite is None and not probes:
        said.append(
            "How any of these models treats particular comments: no suite was run and no probes were given, so no "
            "behaviour was looked at."
        )
    return said


def _training_loss_warning(results: Results) -> str:
    if len({model.loss_count for model in models_of(results) if model.loss_count}) < 2:
        return ""
    return (
        "Anything from training losses across recipes: some are a mean of several losses, others a single "
        "one, and they are different quantities."
    )


def _data_warning(results: Results) -> str:
    if results.data.synthetic:
        return "Anything about real comments: the corpus is synthetic."
    return (
        "How the models do on other comments than these: other sites, other times and other annotators "
        "differ, and the labels hold errors of their own."
    )
