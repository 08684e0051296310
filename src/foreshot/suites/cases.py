"""Suites: behavioural test cases that every model answers; the built-in one, one's own, or HateCheck's as published.

Of the same layout as HateCheck are the multilingual HateCheck and HatemojiCheck: `COLUMNS` has the names of all.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from foreshot.data.labels import Classes, canonical_label, not_labelled, word_for
from foreshot.data.reading.files import Sheet, open_sheet
from foreshot.data.texts import excerpt, listing, normalise, place, printable
from foreshot.errors import ConfigError, DataError
from foreshot.files.fingerprints import fingerprint
from foreshot.results.behaviour import Case, SuiteFacts
from foreshot.settings.dialect import FOUND, AskedDialect
from foreshot.settings.experiment import BUILTIN_SUITE
from foreshot.suites.builtin import builtin_cases, evasion_of
from foreshot.suites.perturbations import ALIKE

# What each column may be called; the first name that a file has counts.
COLUMNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "text": ("text", "test_case"),
        "label": ("label", "label_gold"),
        "functionality": ("functionality",),
        "group": ("group", "target_ident", "target"),
        "pair": ("pair",),
        "template": ("template", "templ_id"),
        "note": ("note",),
        "id": ("case_id", "mhc_case_id"),
        "made from": ("ref_case_id",),
    }
)
NEEDED = ("text", "label", "functionality")
NO_GROUP = frozenset({"none", "nan", "n/a"})


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Test cases; their labels are classes of the task."""

    name: str
    cases: tuple[Case, ...]

    @property
    def fingerprint(self) -> str:
        """Of what the models are asked; which cases are sealed doesn't count."""
        return fingerprint([case.model_dump(exclude={"sealed"}) for case in self.cases])

    def mended_with(self, disguises: Collection[str]) -> "Suite":
        """The suite where models are trained with these disguises: built-in cases of them, and twins, aren't sealed."""
        if self.name != BUILTIN_SUITE:
            return self
        known = {like for disguise in disguises for like in (disguise, *ALIKE.get(disguise, ()))}
        kinds = {evasion_of(disguise) for disguise in known}
        pairs = {case.pair for case in self.cases if case.functionality in kinds} - {None}
        cases = (
            case.model_copy(update={"sealed": False}) if case.functionality in kinds or case.pair in pairs else case
            for case in self.cases
        )
        return replace(self, cases=tuple(cases))

    def facts(self) -> SuiteFacts:
        return SuiteFacts(
            name=self.name,
            cases=len(self.cases),
            class_counts=dict(sorted(Counter(case.label for case in self.cases).items())),
            pairs=len({case.pair for case in self.cases if case.pair is not None}),
            fingerprint=self.fingerprint,
        )


def read_suite(
    source: str, classes: Classes, mapping: Mapping[str, str] | None = None, dialect: AskedDialect = FOUND
) -> Suite:
    """The suite "builtin", or one from a file of any kind that `open_sheet` reads.

    `mapping` leads from the suite's labels to classes, by name or as the data writes them; for a label that it
    doesn't hold see `_class_of`. Where there is no column of pairs, a case and the one that it was made from are
    a pair if one is toxic and the other benign; a case that several were made from is paired with the first.
    Every case of a file is sealed.
    Raises DataError that names the file and the row, ConfigError where the built-in suite doesn't fit the task.
    """
    if source == BUILTIN_SUITE:
        return _built_in(classes, mapping)
    sheet = open_sheet(source, part="test", dialect=dialect)
    names = _column_names(sheet)
    texts = _texts(sheet, names["text"])
    labels = _labels(sheet, names["label"], classes, mapping or {})
    functionalities = _required(sheet, names["functionality"])
    cells = {kind: _cells(sheet, names.get(kind)) for kind in COLUMNS}
    _refuse_repeated_ids(sheet, names.get("id"), cells["id"])
    _refuse_repeated_texts(sheet, texts, labels, functionalities, numbered="id" in names)
    if "pair" in names:
        _refuse_bad_pairs(sheet, cells["pair"], labels)
        pairs = cells["pair"]
    else:
        pairs = _contrasts(cells["id"], cells["made from"], labels)
    cases = tuple(
        Case(
            text=text,
            label=labels[index],
            functionality=functionalities[index],
            group=None if (group := cells["group"][index]) is None or group.lower() in NO_GROUP else group,
            pair=pairs[index],
            template=cells["template"][index],
            note=cells["note"][index],
            sealed=True,
        )
        for index, text in enumerate(texts)
    )
    return Suite(name=source, cases=cases)


def _built_in(classes: Classes, mapping: Mapping[str, str] | None) -> Suite:
    names = classes.of_two
    if not names:
        raise ConfigError(
            f"suite: the built-in one is benign or toxic; the classes here are {listing(classes.names)}: name a file"
        )
    if mapping:
        raise ConfigError("suite: ⟨suite_labels⟩ is for the labels of a file; the built-in suite needs none")
    cases = (case.model_copy(update={"label": names[case.label]}) for case in builtin_cases())
    return Suite(name=BUILTIN_SUITE, cases=tuple(cases))


# ---- columns ----


def _column_names(sheet: Sheet) -> dict[str, str]:
    """What the file calls each kind of column that it has."""
    names = {
        kind: next(name for name in known if name in sheet.columns)
        for kind, known in COLUMNS.items()
        if not sheet.columns.keys().isdisjoint(known)
    }
    missing = [" or ".join(COLUMNS[kind]) for kind in NEEDED if kind not in names]
    if missing:
        raise DataError(
            f"{sheet.source}: has no column {' and no column '.join(missing)}; a suite needs text, label and "
            "functionality, or as HateCheck has them test_case, label_gold and functionality "
            f"(columns: {listing(sheet.columns)})"
        )
    return names


def _cells(sheet: Sheet, name: str | None) -> list[str | None]:
    """A column's cells as text; None for those that are empty, or where there is no such column."""
    if name is None:
        return [None] * len(sheet.rows)
    return [canonical_label(cell) or None for cell in sheet.columns[name]]


def _required(sheet: Sheet, name: str) -> list[str]:
    """A column's cells, none of them empty."""
    found = []
    for row, cell in zip(sheet.rows, _cells(sheet, name), strict=True):
        if cell is None:
            raise DataError(f"{place(sheet.source, row)}: column {name!r} is empty; fill it in or remove the row")
        found.append(cell)
    return found


def _texts(sheet: Sheet, name: str) -> list[str]:
    """The texts as the data's are, but for white space around them; characters without width are kept."""
    texts = []
    for row, cell in zip(sheet.rows, sheet.columns[name], strict=True):
        if cell is not None and not isinstance(cell, str):
            raise DataError(
                f"{place(sheet.source, row)}: column {name!r} holds a value of type {type(cell).__name__}; give a text"
            )
        text = normalise(cell or "").strip()
        if not printable(text):
            raise DataError(
                f"{place(sheet.source, row)}: the case's text is empty (column {name!r}); give one or remove the row"
            )
        texts.append(text)
    return texts


# ---- labels ----


def _labels(sheet: Sheet, name: str, classes: Classes, mapping: Mapping[str, str]) -> list[str]:
    """The class of each case."""
    written = _required(sheet, name)
    given = _given_classes(sheet, set(written), classes, mapping)
    of_the_data = name == COLUMNS["label"][0]
    labels = []
    for row, label in zip(sheet.rows, written, strict=True):
        meant = given.get(label) or _class_of(label, classes, of_the_data=of_the_data)
        if meant is None:
            spare = " and usually says that nobody labelled the case; remove it, or" if not_labelled([label]) else ";"
            raise DataError(
                f"{place(sheet.source, row)}: label {excerpt(label)!r} is none of the classes "
                f"{listing(classes.names)}{spare} say which it means with ⟨suite_labels⟩"
            )
        labels.append(meant)
    if missing := _without_cases(set(labels), classes):
        raise DataError(
            f"{sheet.source}: no case is {' or '.join(map(excerpt, missing))}: the labels "
            f"{listing(sorted(set(written)))} are all taken for {listing(sorted(set(labels)))}; add cases, or say what "
            "the labels mean with ⟨suite_labels⟩"
        )
    return labels


def _without_cases(used: Collection[str], classes: Classes) -> list[str]:
    """Classes of which one at least must have cases, and none has: who always says the same would get all right."""
    toxic = [] if classes.positive is None else [classes.names[classes.positive]]
    for side in (toxic, [name for name in classes.names if name not in toxic]):
        if side and not set(side) & set(used):
            return side
    return [] if len(used) > 1 else [name for name in classes.names if name not in used]


def _given_classes(sheet: Sheet, written: set[str], classes: Classes, mapping: Mapping[str, str]) -> dict[str, str]:
    """The mapping from canonical labels to names of classes."""
    given: dict[str, str] = {}
    for label, meaning in mapping.items():
        if canonical_label(label) not in written:
            raise DataError(
                f"{sheet.source}: ⟨suite_labels⟩: no case has the label {excerpt(label)!r}; "
                f"the labels are {listing(sorted(written))}"
            )
        known = canonical_label(meaning)
        if known not in classes.names and known not in classes.mapping:
            raise DataError(
                f"{sheet.source}: ⟨suite_labels⟩: {excerpt(meaning)!r}, for {excerpt(label)!r}, is none of the classes "
                f"{listing(classes.names)}"
            )
        key, name = canonical_label(label), known if known in classes.names else classes.mapping[known]
        other = key if key in classes.names else given.setdefault(key, name)
        if other != name:
            raise DataError(
                f"{sheet.source}: ⟨suite_labels⟩: {excerpt(label)!r} can't be both {excerpt(other)} and {excerpt(name)}"
            )
        given[key] = name
    return given


def _class_of(label: str, classes: Classes, *, of_the_data: bool) -> str | None:
    """The class that a label means: by its name, as the data writes it, or by a word for toxic or benign.

    In a published suite (not `of_the_data`) the words come first, and 1 and 0 are among them: its numbers aren't
    those of the data, in which 0 may well be toxic.
    """
    if label in classes.names:
        return label
    as_written, as_word = classes.mapping.get(label), classes.of_two.get(word_for(label))
    return as_written or as_word if of_the_data else as_word or as_written


# ---- what contradicts itself ----


def _refuse_repeated_ids(sheet: Sheet, name: str | None, ids: Sequence[str | None]) -> None:
    first: dict[str, int] = {}
    for row, identity in zip(sheet.rows, ids, strict=True):
        if identity is not None and first.setdefault(identity, row) != row:
            raise DataError(
                f"{place(sheet.source, row)}: {name} {excerpt(identity)!r} is that of {_row(sheet, first[identity])} "
                "too; give each case its own"
            )


def _refuse_repeated_texts(
    sheet: Sheet, texts: Sequence[str], labels: Sequence[str], functionalities: Sequence[str], *, numbered: bool
) -> None:
    """Refuse a text with two labels, and a case given twice unless its author numbered both."""
    label_of: dict[str, tuple[str, int]] = {}
    first: dict[tuple[str, str], int] = {}
    for row, text, label, functionality in zip(sheet.rows, texts, labels, functionalities, strict=True):
        other, where = label_of.setdefault(text, (label, row))
        if other != label:
            raise DataError(
                f"{place(sheet.source, row)}: the text {excerpt(text)!r} is {excerpt(label)} here and "
                f"{excerpt(other)} in {_row(sheet, where)}; remove one"
            )
        if first.setdefault((text, functionality), row) != row and not numbered:
            raise DataError(
                f"{place(sheet.source, row)}: the same case as {_row(sheet, first[text, functionality])} (text, label "
                "and functionality); remove one"
            )


def _refuse_bad_pairs(sheet: Sheet, pairs: Sequence[str | None], labels: Sequence[str]) -> None:
    members: dict[str, list[int]] = {}
    for index, pair in enumerate(pairs):
        if pair is not None:
            members.setdefault(pair, []).append(index)
    for pair, indices in members.items():
        where, twin = place(sheet.source, sheet.rows[indices[0]]), "a pair is two cases of different labels"
        if len(indices) != 2:
            raise DataError(f"{where}: pair {excerpt(pair)!r}: cases that name it: {len(indices)}; {twin}")
        if labels[indices[0]] == labels[indices[1]]:
            raise DataError(
                f"{where}: pair {excerpt(pair)!r} has the label {excerpt(labels[indices[0]])} twice (again in "
                f"{_row(sheet, sheet.rows[indices[1]])}); {twin}"
            )


def _row(sheet: Sheet, row: int) -> str:
    """A second row of the same file: "line 12"."""
    return place(sheet.source, row).rpartition(", ")[2]


def _contrasts(ids: Sequence[str | None], made_from: Sequence[str | None], labels: Sequence[str]) -> list[str | None]:
    """Pairs of a case and the case of another label that it was made from; a case is in one pair at most.

    The multilingual suites number their cases "german-5", but say 5 where they refer to one.
    """
    place_of = {identity: index for index, identity in enumerate(ids) if identity is not None}
    pairs: list[str | None] = [None] * len(ids)
    for index, (identity, reference) in enumerate(zip(ids, made_from, strict=True)):
        if identity is None or reference is None:
            continue
        language = identity.rpartition("-")[0]
        origin = place_of.get(reference, place_of.get(f"{language}-{reference}"))
        if origin is None or labels[origin] == labels[index] or pairs[origin] or pairs[index]:
            continue
        pairs[origin] = pairs[index] = f"ref_case_id {ids[origin]}"
    return pairs
