"""The report's prose: the question, the notices, and what a reader should and should not conclude."""

from foreshot.reporting.behaviour import LONGEST_NAME, probe_counts
from foreshot.reporting.tables import count_text, models_of, seed_count
from foreshot.reporting.texts import shortened
from foreshot.results import Results


def title(results: Results) -> str:
    """The report's title."""
    return f"Foreshot: {results.name}"


def question(results: Results) -> list[str]:
    """What is asked, in the words of someone who moderates comments."""
    encoder, data = results.encoder, results.data
    students = [model for model in models_of(results) if not model.is_teacher]
    job = "flags" if data.positive is not None else "tells apart"
    what = (
        f"{shortened(data.positive, LONGEST_NAME)} comments"
        if data.positive is not None
        else f"comments of {len(data.classes)} classes"
    )
    rows = {name: count_text(part.rows) for name, part in data.parts.items()}
    is_ready = any(model.is_teacher and model.first.training is None for model in models_of(results))
    teacher = "A teacher that was given ready" if is_ready else "One teacher"
    how_many = "one cheaper student" if len(students) == 1 else f"{len(students)} cheaper students"
    return [
        f"A classifier of {encoder.layers} layers {job} {what}. Can a cheaper one take its place and still "
        "behave the same on the comments that matter?",
        f"{teacher} and {how_many}, {'the students ' if is_ready else ''}trained on the same "
        f"{rows.get('train', '0')} rows in the same order; all measured on the same {rows.get('test', '0')} "
        "test rows" + (f", with {seed_count(results)} seeds." if seed_count(results) > 1 else ", with one seed."),
    ]


def synthetic_notice(results: Results) -> str:
    """What must be said first where the data are made up; empty where they are real."""
    if not results.data.synthetic:
        return ""
    return (
        "Synthetic corpus. The comments were generated from templates for this demonstration. The numbers "
        "show that the comparison works; they say nothing about real comments."
    )


def same_conditions() -> str:
    """What "the same conditions" means."""
    return (
        "Every model trained here saw the same rows, in the same batches and the same order for each seed, "
        "with the same number of updates, optimizer and learning rate, unless it is marked as not matched."
    )


def can_say(results: Results) -> list[str]:
    """What a reader may conclude."""
    said = [
        "Which model has the lower cross-entropy on these test rows: that column is measured in the same "
        "way for all of them.",
        "What each model costs to keep, and what it cost to train and to run on this machine.",
    ]
    if probe_counts(results):
        said.append(
            "Whether a metric hides a change of behaviour: a model with a better loss can flag fewer of the "
            "probes. Read both together."
        )
    return said


def cannot_say(results: Results) -> list[str]:
    """What a reader may not conclude, and why."""
    seeds, probes = seed_count(results), len(results.probes)
    said = [_training_loss_warning(results)]
    if seeds == 1:
        said.append(
            "That a small difference is real: with one seed, nothing shows how much is chance. Run it with "
            "several seeds."
        )
    else:
        said.append(
            f"That a difference smaller than the spread is real: {seeds} seeds show roughly how much the "
            "numbers vary, and nothing was tested for significance."
        )
    if probes:
        said.append(
            f"How often a model fails on real traffic: the {probes} "
            f"{'probe is' if probes == 1 else 'probes are'} a chosen sample of what matters, not a rate."
        )
    else:
        said.append(
            "How any of these models treats particular comments: no probes were given, so no behaviour was looked at."
        )
    said.append(_data_warning(results))
    if any(not model.is_matched for model in models_of(results)):
        said.append(
            "That a recipe is better where its row is marked as not matched: its learning rate differs as well."
        )
    if any(model.is_teacher and model.first.training is None for model in models_of(results)):
        said.append("How the students compare with a teacher made under the same conditions: this one was given ready.")
    said.append(
        "Which student to use: this version gives no verdict. It lays the numbers side by side and leaves "
        "the judgement to you."
    )
    return [line for line in said if line]


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
