"""Whatever reads a table reads every dialect – data, texts, suites, probes, terms and rationales – and tells it."""

import pytest

from foreshot.data.identity_groups import read_identity_terms
from foreshot.data.labels import find_classes
from foreshot.data.rationales import read_rationales
from foreshot.data.table import read_table, read_texts
from foreshot.data.unlabelled import read_unlabelled
from foreshot.settings.dialect import asked_dialect
from foreshot.suites.cases import read_suite
from foreshot.suites.probes import read_probes

CLASSES = find_classes([0, 1], None, source="a.csv")
TEXTS = ['"You walnut, you', "Lovely, really", 'Nobody"', "A fool"]  # as CSV, the first three would be one
READERS = {
    "data": lambda path, dialect: read_table(path, text="text", dialect=dialect).texts,
    "texts": lambda path, dialect: read_texts(path, text="text", dialect=dialect),
    "unlabelled": lambda path, dialect: list(read_unlabelled(path, text="text", known=(), dialect=dialect).texts()),
    "suite": lambda path, dialect: [case.text for case in read_suite(path, CLASSES, dialect=dialect).cases],
    "probes": lambda path, dialect: [probe.text for probe in read_probes(path, CLASSES, dialect)],
    "terms": lambda path, dialect: read_identity_terms(path, dialect)["all"],
    "rationales": lambda path, dialect: read_rationales(path, text="text", known=(), dialect=dialect).texts,
}
COLUMNS = ["n", "text", "term", "group", "label", "functionality", "spans"]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("name", "sign", "said"),
    [
        ("a.tsv", "\t", "quotes are letters"),
        ("a.csv", "|", "separator pipe (found; --separator names another), quotes are letters"),
        ("a.csv", ";", "separator semicolon"),
        ("a.tsv", ",", "separator comma"),
    ],
)
def test_every_reader_reads_it_and_says_so(tmp_path, reader, name, sign, said):
    quoted = sign in ";,"
    rows = [COLUMNS]
    for number, text in enumerate(TEXTS):
        cell = '"{}"'.format(text.replace('"', '""')) if quoted else text
        rows.append([str(number), cell, cell, "all", str(number % 2), "any", "[1]"])
    path = tmp_path / name
    path.write_text("".join(sign.join(row) + "\n" for row in rows), encoding="utf-8")
    told: list[str] = []
    assert READERS[reader](str(path), asked_dialect(None, None, say=told.append)) == TEXTS
    (note,) = told
    assert note.startswith(f"{path}: {said}")
