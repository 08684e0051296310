"""Dialects: which one a table's head shows, what is asked for instead, and rows that a stray quote would swallow."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreshot.data.reading.dialects import HEAD_LINES
from foreshot.data.reading.lines import BadRecord
from foreshot.data.reading.records import Records, open_records
from foreshot.errors import ConfigError, DataError
from foreshot.settings.dialect import asked_dialect

SIGNS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
ROWS = [[str(number), f"walnut {number}, or pear; who knows", str(number % 2)] for number in range(20)]
HEADER = ["id", "text", "label"]


class Pipe(io.BytesIO):
    """A stream that comes bit by bit."""

    def seekable(self) -> bool:
        return False


def opened(content: str | bytes, kind: str = "csv", *, pipe: bool = False, **asked: str) -> Records:
    written = content if isinstance(content, bytes) else content.encode()
    dialect = asked_dialect(asked.get("separator"), asked.get("quoting"))
    return open_records((Pipe if pipe else io.BytesIO)(written), kind=kind, dialect=dialect)


def read(content: str | bytes, kind: str = "csv", **asked) -> list[list[str]]:
    with opened(content, kind, **asked) as records:
        found = list(records)
    complaints = [record.complaint for record in found if isinstance(record, BadRecord)]
    assert not complaints
    return [list(record.cells.values()) for record in found]


def written(sign: str, rows=ROWS, header=HEADER, **settings) -> str:
    file = io.StringIO()
    csv.writer(file, delimiter=sign, **settings).writerows([header, *rows])
    return file.getvalue()


def unquoted(*rows: str, sign: str = "\t", header: str = "id\ttext\tlabel") -> str:
    return "\n".join([header, *rows]).replace("\t", sign) + "\n"


# ---- what parts the fields ----


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("kind", ["csv", "tsv"])
@pytest.mark.parametrize("name", SIGNS)
def test_any_separator_is_seen_under_any_name_and_told_where_it_is_not_the_usual_one(name, kind, end, quoting):
    content = "\ufeff" + written(SIGNS[name], quoting=quoting, lineterminator=end)
    for pipe in (False, True):
        assert read(content, kind, pipe=pipe) == ROWS
        with opened(content, kind, pipe=pipe) as records:
            notes = " ".join(records.notes)
        assert ("separator" in notes) == ((kind, name) not in {("csv", "comma"), ("tsv", "tab")})
        assert f"separator {name} (found; --separator names another)" in notes or "separator" not in notes


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["a,b", "c;d", 'e "f"', "|", "g\nh"]
)


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6), st.sampled_from([",", ";"]))
def test_rows_of_semicolons_are_read_as_the_csv_module_writes_them(rows, sign):
    assert read(written(sign, rows, ["text", "note"])) == [list(row) for row in rows]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("sep=;\r\nid;text\r\n1;a, b\r\n", [["1", "a, b"]]),
        ("\ufeffsep=,\nid,text\n1,a\n", [["1", "a"]]),
        ('"sep=^"\nid^text\n1^a;b\n', [["1", "a;b"]]),
        ("SEP=\t\nid\ttext\n1\ta\n", [["1", "a"]]),
    ],
)
def test_excels_line_names_the_separator_and_is_no_row(content, expected):
    for pipe in (False, True):
        with opened(content, pipe=pipe) as records:
            assert [(row.row, list(row.cells.values())) for row in records] == [(3, row) for row in expected]


@pytest.mark.parametrize(
    ("content", "kind", "expected"),
    [
        ("text\nhello; you\nhi | there; all\n", "csv", [["hello; you"], ["hi | there; all"]]),
        ('text\n"hello, you"\nhi\n', "csv", [["hello, you"], ["hi"]]),
        ("text\nhello, you; all\n", "tsv", [["hello, you; all"]]),
        ("text\n", "csv", []),
        ("text;label\n", "csv", []),
        ("a,b;c\n1,2\n3,4\n", "csv", [["1", "2"], ["3", "4"]]),  # a semicolon in the header alone
        ("id;what, and why\n1;a\n2;b, c, d\n", "csv", [["1", "a"], ["2", "b, c, d"]]),
        ('"a;b","c"\n"1;2","3"\n', "csv", [["1;2", "3"]]),
        ('"a\tb",c\n"1\t2",3\n', "csv", [["1\t2", "3"]]),
        ('"a|b",c\n"1|2",3\n', "csv", [["1|2", "3"]]),
        ("id;text\n1;last line", "csv", [["1", "last line"]]),
    ],
)
def test_separators_inside_of_texts_and_headers(content, kind, expected):
    assert read(content, kind) == expected


def test_a_bad_row_hides_no_separator():
    with opened("id;text\n1;a\n2;b;c\n3;d\n4;e\n") as records:
        kinds = [type(record) is BadRecord for record in records]
    assert kinds == [False, True, False, False]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a;b,c\n1;2,3\n4;5,6\n", "may be parted by comma or semicolon; name the right one with separator"),
        ("a|b\tc\n1|2\t3\n", "may be parted by tab or pipe"),
        ("a;b,c\n", "may be parted by comma or semicolon"),
        ("to begin with; a title\n" + "x\n" * 9, "seems to be parted by semicolon, but of the rows most have another"),
    ],
)
def test_what_fits_twice_or_not_at_all_is_asked_about(content, words):
    with pytest.raises(DataError, match=words):
        opened(content)
    assert read(content, separator="none", quoting="none") == [[line] for line in content.splitlines()[1:]]


# ---- what is asked for ----


@pytest.mark.parametrize("given", ["semicolon", ";"])
def test_a_separator_that_is_named_is_used_and_not_told(given):
    with opened("a;b,c\n1;2,3\n", separator=given) as records:
        assert (records.columns, records.notes) == (["a", "b,c"], ())
        assert [list(record.cells.values()) for record in records] == [["1", "2,3"]]


@pytest.mark.parametrize("given", ["tab", "\t", "\\t"])
def test_plain_lines_are_a_table_where_a_separator_is_named(given):
    content = "id\ttext\n1\thello\n"
    assert read(content, "lines", separator=given) == [["1", "hello"]]
    assert read(content, "lines") == [["id\ttext"], ["1\thello"]]


@pytest.mark.parametrize(
    ("content", "told"),
    [("id\ttext\n1\ta\n\n2\tb\n", True), ("a\tb\n", False), ("a\tb\nc\n", False), ("a\nb\n", False)],
)
def test_plain_lines_that_look_like_a_table_are_told(content, told):
    with opened(content, "lines") as records:
        assert [record.cells["text"] for record in records] == content.splitlines()
        assert records.notes == (
            ("standard input: each line is read as one text, tabs and all (--separator tab reads a table)",)
            if told
            else ()
        )
    with opened(content, "lines", pipe=True) as records:
        assert records.notes == ()


@pytest.mark.parametrize(("kind", "lines", "text"), [("lines", 1, ""), ("csv", 3, "a"), ("tsv", 3, "a")])
def test_of_a_stream_that_comes_bit_by_bit_no_more_is_read_than_its_first_row(kind, lines, text):
    class Slow(Pipe):
        def read1(self, size=-1):
            nonlocal lines
            assert lines > 0, "more is read than was needed"
            lines -= 1
            return self.readline()

    stream = Slow(b"\ntext\na\nb\n")
    with open_records(stream, kind=kind) as records:
        assert lines == int(kind != "lines")
        assert next(iter(records)).cells["text"] == text
        assert lines == 0


@pytest.mark.parametrize(("given", "words"), [("commas", "'commas' is none of comma"), ("ab", "none"), ("a", "none")])
def test_what_is_no_separator_is_refused(given, words):
    with pytest.raises(ConfigError, match=words):
        asked_dialect(given, None)
    with pytest.raises(ConfigError, match="quoting excel: must be csv or none"):
        asked_dialect(None, "excel")


def test_what_was_asked_of_another_table_decides_only_where_several_fit():
    from dataclasses import replace

    asked = replace(asked_dialect("semicolon", "none"), firm=False)
    for content, expected in (("a;b,c\n1;2,3\n", ["1", "2,3"]), ('a,b\n"1,2",3\n', ["1,2", "3"])):
        with open_records(io.BytesIO(content.encode()), kind="csv", dialect=asked) as records:
            assert [list(record.cells.values()) for record in records] == [expected]


# ---- quotes that are letters ----


@pytest.mark.parametrize("sign", ["\t", "|"])
@pytest.mark.parametrize(
    "texts",
    [
        ['"a stray one', "b", 'and its end"', "c"],  # as CSV, three rows would be one
        ["a", '"never closed', "b"],
        ["a", '"good" they said', "b"],
        ["a", '"good"', "b"],
        ['5" screen', "a", "it's", '\\"x\\"'],
        ['"one', 'two"', '"three', 'four"'],
    ],
)
def test_a_quote_is_a_letter_where_every_line_is_a_row(sign, texts):
    content = unquoted(*(f"{number}\t{text}\t1" for number, text in enumerate(texts)), sign=sign)
    with opened(content, "tsv") as records:
        assert [record.cells["text"] for record in records] == texts
    assert ("quotes are letters" in " ".join(records.notes)) == any(text.startswith('"') for text in texts)


@pytest.mark.parametrize("sign", ["\t", "|"])
@pytest.mark.parametrize("text", ["a\nb", f"a{chr(9)}b|c", 'he said "no"', '"', "\r\n"])
def test_tables_of_tabs_that_are_quoted_as_csv_are_read_as_such(sign, text):
    rows = [*ROWS, ["20", text, "1"], ["21", f"{text} and {text}", "0"]]
    assert read(written(sign, rows), "tsv") == rows


def test_a_comment_that_the_heads_end_cuts_is_quoted():
    rows = [[str(number), "a"] for number in range(HEAD_LINES - 5)] + [["x", "a\tb\n" + "c\n" * 20], ["y", "d"]]
    assert read(written("\t", rows, ["id", "text"]), "tsv") == rows


def test_quotes_that_the_head_does_not_show_are_asked_about_and_not_guessed():
    content = unquoted(*["1\ta\t0"] * HEAD_LINES, '2\t"he said ""no"""\t1')
    with pytest.raises(DataError, match=f"line {HEAD_LINES + 2}: is quoted as CSV is.*quoting csv, or none"):
        read(content, "tsv")
    assert read(content, "tsv", quoting="csv")[-1] == ["2", 'he said "no"', "1"]
    assert read(content, "tsv", quoting="none")[-1] == ["2", '"he said ""no"""', "1"]


# ---- rows against lines ----


def stray(first: int, last: int, of: int = 30, row: str = "{n},{text},{label}") -> str:
    """A CSV without quotes but for one that begins a text and one that ends another, rows apart."""
    texts = [f"walnut number {number}" for number in range(of)]
    texts[first], texts[last] = f'"{texts[first]}', f'{texts[last]}"'
    return "".join(row.format(n=n, text=text, label=n % 2) + "\n" for n, text in enumerate(texts))


@pytest.mark.parametrize(
    ("header", "row", "last"),
    [
        ("id,text,label", "{n},{text},{label}", 4),
        ("id;text;label", "{n};{text};{label}", 4),
        ("text,label", "{text},{label}", 4),
        ("text;label", "{text};{label}", 6),
        ("id,text", "{n},{text}", 6),
        ("id,text,kind", "x{n},{text},{label}", 6),
        ("author,text", "mister {n},{text}", 12),  # nothing regular, but so many lines
    ],
)
def test_rows_that_a_stray_quote_would_swallow_are_refused(header, row, last):
    content = f"{header}\n{stray(3, last, row=row)}"
    with pytest.raises(
        DataError, match=f"line 5: a quote begins here that ends in line {last + 2}, and the lines look"
    ):
        read(content)
    assert len(read(content, quoting="none")) == 30
    assert len(read(content, quoting="csv")) == 30 - (last - 3)


def test_they_are_refused_beyond_the_head_too():
    with pytest.raises(DataError, match=f"line {HEAD_LINES + 52}: a quote begins here"):
        read(f"id,text,label\n{stray(HEAD_LINES + 50, HEAD_LINES + 53, of=HEAD_LINES + 100)}")


COMMENTS = [
    "Hello, you\nare nice",
    "one\ntwo\nthree",
    "a list:\n1, apples\n2, pears\nthat's all",
    "10,000 of them\nand more",
    "look at that\n10,000 of them",
    "first\n\n\nlast, not least",
    'he said "no",\nand left',
    "x\n" * 40,
    "a, b\n" * 12,
    "0\n1\n0\n1",
    "it was 2,5\nand then 1, 0\nof them",
    "Love, 1\nand peace",
]


@pytest.mark.parametrize("columns", [(0, 1, 2), (1, 2), (0, 1), (1,), (2, 1)])
@pytest.mark.parametrize("comment", COMMENTS)
def test_comments_of_several_lines_are_read_and_counted(comment, columns):
    rows = [*ROWS, ["20", comment, "1"], *ROWS]
    rows = [[row[number] for number in columns] for row in rows]
    content = written(",", rows, [HEADER[number] for number in columns])
    with opened(content) as records:
        assert [list(record.cells.values()) for record in records] == rows
    lines = comment.count("\n") + 1
    said = records.spanning.note("a.csv")
    assert said == (
        f"a.csv: rows that quotes hold together over several lines: 1, the longest from line 22 over {lines} lines "
        "(--quoting none where a quote is a letter)"
    )


def test_a_comma_in_each_of_a_few_lines_is_no_row_where_no_column_is_regular():
    rows = [[f"mister {number}", f"walnut {number}"] for number in range(20)] + [
        ["x", "so:\n" + "one, two\n" * 4 + "three, four"]
    ]
    assert read(written(",", rows, ["author", "text"])) == rows


def test_of_rows_that_stand_in_a_line_each_nothing_is_said():
    with opened(written(",")) as records:
        assert len(list(records)) == len(ROWS)
    assert records.spanning.note("a.csv") is None
