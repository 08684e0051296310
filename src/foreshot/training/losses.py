"""The losses of training, as plain functions on tensors, and the weighted sum that a student is trained by."""

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F

from foreshot.settings.losses import Classification, Distillation, value_at


@dataclass(frozen=True, kw_only=True)
class Losses:
    """The objective of one batch, and the losses that it is made of, by name: scalar tensors."""

    objective: torch.Tensor
    parts: dict[str, torch.Tensor]

    @property
    def named(self) -> dict[str, torch.Tensor]:
        """The objective and its parts, named as in `LOSS_PARTS`, without their gradients."""
        return {name: loss.detach() for name, loss in {"objective": self.objective, **self.parts}.items()}


@dataclass(frozen=True, kw_only=True)
class Shares:
    """What shares of a batch's means a part of it makes up: over labelled rows by weight, over rows, over real tokens.

    `taught` and `likened` are over rows by what the teacher's logits and its vectors weigh, the latter over those rows
    alone whose vectors are known. A part's losses count by these shares, so that those of all parts add up to the
    losses of the batch.
    """

    labelled: float = 1.0
    rows: float = 1.0
    tokens: float = 1.0
    taught: float = 1.0
    likened: float = 1.0


WHOLE = Shares()


@dataclass(frozen=True, kw_only=True)
class BatchOutputs:
    """What a model says about a batch.

    `logits` (batch, classes or labels) and `representations` (batch, hidden), which a teacher may have of the first
    rows alone, or none of; where a loss looks at them, `states` (batch, layers, tokens, hidden) of the layers that are
    compared, and `projections` (batch, 3, tokens, hidden): queries, keys and values.

    Of teachers alone: of several, `of_each` has the logits (batch, teachers, classes or labels), of which `logits` are
    the mean, and `teacher_weights` (teachers,) what each counts for. `row_weights`, (batch,) or (batch, labels), say
    what its word on a row, or on a label of it, weighs; None: all alike.
    """

    logits: torch.Tensor
    representations: torch.Tensor | None
    states: torch.Tensor | None = None
    projections: torch.Tensor | None = None
    of_each: torch.Tensor | None = None
    teacher_weights: torch.Tensor | None = None
    row_weights: torch.Tensor | None = None

    def in_float32(self) -> "BatchOutputs":
        """The same in float32, as all losses are computed; where it is that already, the very tensors."""
        found: dict[str, torch.Tensor | None] = {field.name: getattr(self, field.name) for field in fields(self)}
        there = {name: tensor.float() for name, tensor in found.items() if tensor is not None}
        return BatchOutputs(**{"representations": None, **there})  # type: ignore[arg-type]  # logits are there


def classification_loss(
    logits: torch.Tensor,
    labels: torch.Tensor,
    settings: Classification | None = None,
    class_weights: torch.Tensor | None = None,
    row_weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Mean cross-entropy in nats of logits (batch, classes) against integer labels (batch,), or binary cross-entropy
    of logits (batch, outputs) against labels of 0 and 1, or scores between (soft targets, Hinton et al. 2015, section
    2), (batch, outputs), a float tensor, of which NaN is left out of the mean.

    With label smoothing ε the target of the true class is 1 − ε + ε/classes (Szegedy et al. 2016, section 7), of
    a label that is there 1 − ε/2. Each term is weighed by (1 − p)^γ, p being the probability of the truth (Lin et al.
    2017, eq. 4), and by its class's weight; the mean over rows is then weighted by class weights too. With several
    labels, `class_weights` (labels,) weigh the rows that have the label, and the mean is plain. `row_weights` (batch,)
    weigh the mean over rows besides: a row of weight 2 counts as if it were there twice.
    """
    settings = settings or Classification()
    if labels.is_floating_point():
        return _binary_classification_loss(logits, labels, settings, class_weights, row_weights)
    smoothing = settings.label_smoothing
    if not settings.focal_gamma and row_weights is None:
        return F.cross_entropy(logits, labels, weight=class_weights, label_smoothing=smoothing)
    losses = F.cross_entropy(logits, labels, weight=class_weights, label_smoothing=smoothing, reduction="none")
    if settings.focal_gamma:
        truth = logits.softmax(dim=-1).gather(1, labels[:, None])[:, 0]
        losses = losses * _focus(truth, settings.focal_gamma)
    if row_weights is not None:
        of_classes = 1 if class_weights is None else class_weights[labels]
        return (losses * row_weights).sum() / (of_classes * row_weights).sum()
    return losses.mean() if class_weights is None else losses.sum() / class_weights[labels].sum()


def _binary_classification_loss(
    logits: torch.Tensor,
    labels: torch.Tensor,
    settings: Classification,
    class_weights: torch.Tensor | None,
    row_weights: torch.Tensor | None,
) -> torch.Tensor:
    known = ~labels.isnan()
    smoothing, labels = settings.label_smoothing, labels.nan_to_num()
    targets = labels * (1 - smoothing) + smoothing / 2
    losses = F.binary_cross_entropy_with_logits(logits, targets, pos_weight=class_weights, reduction="none")
    if settings.focal_gamma:
        truth = torch.where(labels > 0.5, logits.sigmoid(), (-logits).sigmoid())
        losses = losses * _focus(truth, settings.focal_gamma)
    if row_weights is not None:
        return _weighted_mean(losses, row_weights[:, None] * known)
    return losses.mean() if known.all() else losses[known].sum() / max(1, int(known.sum()))


def _focus(truth: torch.Tensor, gamma: float) -> torch.Tensor:
    # At 0 the slope of a power below 1 is infinite, and times a loss of 0 no number.
    return (1 - truth).clamp(min=torch.finfo(truth.dtype).eps) ** gamma


def balanced_weights(labels: torch.Tensor) -> torch.Tensor:
    """Weights that make classes count alike: rows / (classes · rows of the class) (King and Zeng 2001) for labels
    (rows,); for several labels (rows, labels) of 0 and 1 the rows without each label by the rows with it.
    """
    if labels.is_floating_point():
        having = labels.nansum(dim=0)
        return ((~labels.isnan()).sum(dim=0) - having) / having
    counts = torch.bincount(labels)  # every class has a row
    return len(labels) / (len(counts) * counts)


def divergence_loss(
    logits: torch.Tensor, teacher_logits: torch.Tensor, temperature: float, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """T² · KL(teacher ‖ student) of the class distributions at temperature T, mean over the batch, in nats.

    Hinton et al. 2015, section 2: the factor T² keeps the gradient's size when T changes. With `weights` (batch,) the
    mean is weighted; a row of weight 0 may have teacher logits that are NaN.
    """
    student = F.log_softmax(logits / temperature, dim=-1)
    if weights is None:
        teacher = F.log_softmax(teacher_logits / temperature, dim=-1)
        return F.kl_div(student, teacher, reduction="batchmean", log_target=True) * temperature**2
    teacher = F.log_softmax(teacher_logits.nan_to_num() / temperature, dim=-1)
    of_rows = F.kl_div(student, teacher, reduction="none", log_target=True).sum(dim=-1)
    return _weighted_mean(of_rows, weights) * temperature**2


def bernoulli_divergence_loss(
    logits: torch.Tensor, teacher_logits: torch.Tensor, temperature: float, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """T² · KL(teacher ‖ student) of independent labels at temperature T, mean over batch and labels, in nats.

    Of logits (batch, labels); a label's probability is sigmoid(logit / T). `divergence_loss` of each label's two
    outcomes. With `weights`, (batch,) or (batch, labels), the mean is weighted.
    """
    student, teacher = logits / temperature, teacher_logits / temperature
    if weights is not None:
        teacher = teacher.nan_to_num()
    there = teacher.sigmoid() * (F.logsigmoid(teacher) - F.logsigmoid(student))
    not_there = (-teacher).sigmoid() * (F.logsigmoid(-teacher) - F.logsigmoid(-student))
    if weights is None:
        return (there + not_there).mean() * temperature**2
    return _weighted_mean(there + not_there, weights) * temperature**2


def mean_of_teachers(
    logits: torch.Tensor, weights: torch.Tensor, temperature: float = 1.0, *, several: bool
) -> torch.Tensor:
    """Logits (batch, classes or labels) whose probabilities at temperature T are the teachers' weighted mean there.

    Of each teacher's logits (batch, teachers, classes or labels) and its weight (teachers,). That mean depends on the
    temperature, so it is taken in the loss: softmax(z / T), or with `several` labels the sigmoid, is averaged (Hinton
    et al. 2015, section 5.3; You et al. 2017). A teacher that says nothing about a row (NaN) is left out of the row's
    mean; where none says anything the logits are NaN.
    """
    silent = logits.isnan() if several else logits.isnan().any(dim=-1, keepdim=True).expand_as(logits)
    scaled = logits.nan_to_num() / temperature
    counted = weights.log()[:, None].expand_as(scaled).masked_fill(silent, -torch.inf)
    counted = counted - counted.logsumexp(dim=1, keepdim=True)
    if not several:
        return temperature * (counted + F.log_softmax(scaled, dim=-1)).logsumexp(dim=1)
    there, not_there = ((counted + F.logsigmoid(side)).logsumexp(dim=1) for side in (scaled, -scaled))
    return temperature * (there - not_there)


def cosine_loss(
    vectors: torch.Tensor, teacher_vectors: torch.Tensor, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """1 − cosine similarity of vectors (batch, size), mean over the batch: 0 to 2. Sanh et al. 2019, section 3.

    With `weights` (batch,) the mean is weighted.
    """
    if weights is None:
        return (1 - F.cosine_similarity(vectors, teacher_vectors, dim=-1)).mean()
    return _weighted_mean(1 - F.cosine_similarity(vectors, teacher_vectors.nan_to_num(), dim=-1), weights)


def _weighted_mean(losses: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The mean of losses (batch, …) by the weights of rows, or of their entries; 0 where nothing weighs anything."""
    if weights.dim() < losses.dim():
        weights = weights[:, None].expand_as(losses)
    total = weights.sum()
    return (losses * weights).sum() / torch.where(total > 0, total, 1.0)


def hidden_loss(
    states: torch.Tensor, teacher_states: torch.Tensor, mask: torch.Tensor, distance: str = "cosine"
) -> torch.Tensor:
    """Distance between states (batch, layers, tokens, hidden) of mapped layers, mean over layers and real tokens.

    `mask` (batch, tokens) is 1 for real tokens. "cosine" is 1 − cosine similarity, which is half the squared distance
    of normalised states (Sun et al. 2019, eq. 7, "patient" distillation, there of the first token); "mse" is the mean
    squared difference, over the hidden size too (Jiao et al. 2020, eq. 8).
    """
    if distance == "cosine":
        distances = 1 - F.cosine_similarity(states, teacher_states, dim=-1)
    else:
        distances = (states - teacher_states).square().mean(dim=-1)
    weights = mask[:, None, :].to(distances.dtype).expand_as(distances)
    return (distances * weights).sum() / weights.sum()


def relation_loss(
    projections: torch.Tensor, teacher_projections: torch.Tensor, mask: torch.Tensor, heads: int
) -> torch.Tensor:
    """KL(teacher ‖ student) of attention relations, mean over the three relations, relation heads and real tokens.

    Of projections (batch, 3, tokens, width): queries, keys and values, whose widths may differ between the two as
    long as `heads` divides both. A relation of a head is softmax(X Xᵀ / √d) over real tokens, d being the head's
    width (Wang et al. 2021, "MiniLMv2", eq. 2 to 5; there the three are summed).
    """
    student, teacher = (_relations(vectors, mask, heads) for vectors in (projections, teacher_projections))
    divergences = (teacher.exp() * (teacher - student)).sum(dim=-1)  # (batch, 3, heads, tokens)
    weights = mask[:, None, None, :].to(divergences.dtype).expand_as(divergences)
    return (divergences * weights).sum() / weights.sum()


def _relations(projections: torch.Tensor, mask: torch.Tensor, heads: int) -> torch.Tensor:
    """Logarithms of relations (batch, 3, heads, tokens, tokens)."""
    batch, three, tokens, width = projections.shape
    vectors = projections.view(batch, three, tokens, heads, width // heads).transpose(2, 3)
    scores = vectors @ vectors.transpose(-1, -2) / (width // heads) ** 0.5
    # Not minus infinity, of which two have no difference.
    return scores.masked_fill(mask[:, None, None, None, :] == 0, -1e9).log_softmax(dim=-1)


def label_losses(
    logits: torch.Tensor,
    labels: torch.Tensor,
    settings: Classification | None = None,
    class_weights: torch.Tensor | None = None,
    *,
    row_weights: torch.Tensor | None = None,
    shares: Shares = WHOLE,
) -> Losses:
    """The objective that learns from labels alone."""
    classification = shares.labelled * classification_loss(logits, labels, settings, class_weights, row_weights)
    return Losses(objective=classification, parts={"classification": classification})


def distillation_losses(
    student: BatchOutputs,
    teacher: BatchOutputs,
    labels: torch.Tensor,
    mask: torch.Tensor,
    settings: Distillation,
    *,
    progress: float = 0.0,
    classification: Classification | None = None,
    class_weights: torch.Tensor | None = None,
    row_weights: torch.Tensor | None = None,
    shares: Shares = WHOLE,
) -> Losses:
    """The weighted sum of the losses that weigh something, when a share `progress` of the updates is done.

    The first rows of the batch have `labels`, the rest have none; `mask` (batch, tokens) is 1 for real tokens. The
    cosine loss compares the sentence representations, of the rows that the teacher has them of, or the logits as the
    origin experiment did; it isn't there where the teacher has no vectors, or ones of another width. Of a part of a
    batch the losses count by its `shares`; one without any labelled row has no classification loss. `row_weights` are
    those of the labelled rows in it; what the teacher's word on a row weighs comes with its outputs.
    """
    temperature, weights = value_at(settings.temperature, progress), settings.weights.at(progress)
    several = labels.is_floating_point()
    divergence = bernoulli_divergence_loss if several else divergence_loss
    taught, of_rows = _taught_logits(teacher, temperature, several=several), teacher.row_weights
    labelled = student.logits[: len(labels)]
    parts = {
        "classification": shares.labelled
        * classification_loss(labelled, labels, classification, class_weights, row_weights)
        if len(labels)
        else student.logits.new_zeros(()),
        "divergence": shares.taught * divergence(student.logits, taught, temperature, of_rows),
    }
    vectors = "logits" if settings.cosine_on == "logits" else "representations"
    own, teachers = getattr(student, vectors), getattr(teacher, vectors)
    if own is not None and teachers is not None and own.shape[1:] == teachers.shape[1:]:
        of_rows = of_rows if of_rows is None or of_rows.dim() == 1 else of_rows.amin(dim=-1)
        of_rows = None if of_rows is None else of_rows[: len(teachers)]
        likened = cosine_loss(own[: len(teachers)], teachers, of_rows) if len(teachers) else own.new_zeros(())
        parts["cosine"] = shares.likened * likened
    if student.states is not None and teacher.states is not None:
        tokens = teacher.states.shape[2]  # 1 where the first alone is looked at
        share = shares.rows if settings.hidden.tokens == "first" else shares.tokens
        parts["hidden"] = share * hidden_loss(
            student.states[:, :, :tokens], teacher.states, mask[:, :tokens], settings.hidden.distance
        )
    if student.projections is not None and teacher.projections is not None:
        parts["relations"] = shares.tokens * relation_loss(
            student.projections, teacher.projections, mask, settings.relations.heads
        )
    objective = torch.stack([weights[name] * part for name, part in parts.items()]).sum()
    return Losses(objective=objective, parts=parts)


def _taught_logits(teacher: BatchOutputs, temperature: float, *, several: bool) -> torch.Tensor:
    """The logits that the student is held against: one teacher's, or the mean of several at this temperature."""
    if teacher.of_each is None or teacher.teacher_weights is None:
        return teacher.logits
    return mean_of_teachers(teacher.of_each, teacher.teacher_weights, temperature, several=several)
