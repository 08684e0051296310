"""Files that nobody should have to read: how each is made, and what a comparison says of it ("" where it is read)."""

import codecs
import gzip
import io
import json
import os
import pickle
import socket
import sqlite3
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

ROWS = 12
LABELS = [str(number % 2) for number in range(ROWS)]
TEXTS = [f"a text about café number {number}" for number in range(ROWS)]
CSV = "text,label\n" + "".join(f"{text},{label}\n" for text, label in zip(TEXTS, LABELS, strict=True))
JSONL = "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in zip(TEXTS, LABELS, strict=True))


class BadFile(NamedTuple):
    """`make` writes the file; `said` stands in the one line that refuses it as data, "" where it can be read."""

    make: Callable[[Path], object]
    said: str


def content(value: str | bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(value if isinstance(value, bytes) else value.encode())


def rows(*lines: str, header: str = "text,label") -> str:
    """Good rows, then these."""
    return CSV.replace("text,label", header, 1) + "".join(f"{line}\n" for line in lines)


def json_rows(*lines: str) -> str:
    return JSONL + "".join(f"{line}\n" for line in lines)


# ---- encodings ----

ENCODED = {  # what is said of a CSV with a letter beyond ASCII
    "utf-16": "is UTF-16",
    "utf-16-le": "NUL",
    "utf-16-be": "NUL",
    "utf-32": "is UTF-16",
    "utf-32-le": "NUL",
    "utf-32-be": "NUL",
    "latin-1": "line 2: is not UTF-8 (byte 0xe9",
    "cp1252": "line 2: is not UTF-8 (byte 0xe9",
    "cp437": "line 2: is not UTF-8 (byte 0x82",
    "mac-roman": "line 2: is not UTF-8 (byte 0x8e",
    "cp037": "is not UTF-8",
    "cp500": "is not UTF-8",
    "gb18030": "line 2: is not UTF-8",
    "big5hkscs": "line 2: is not UTF-8",
    "euc_jisx0213": "line 2: is not UTF-8",
    "iso2022_jp_2": "",  # seven bits, as UTF-7 is: nothing tells them from ASCII
    "utf-7": "",
    "utf-8-sig": "",
}
BYTES = {  # in the middle of a text
    "a lone continuation": (b"\x80", "is not UTF-8 (byte 0x80"),
    "an overlong slash": (b"\xc0\xaf", "is not UTF-8 (byte 0xc0"),
    "a surrogate": (b"\xed\xa0\x80", "is not UTF-8 (byte 0xed"),
    "a letter in CESU-8": (b"\xed\xa0\xbd\xed\xb8\x80", "is not UTF-8 (byte 0xed"),
    "beyond Unicode": (b"\xf4\x90\x80\x80", "is not UTF-8 (byte 0xf4"),
    "five bytes": (b"\xf8\x88\x80\x80\x80", "is not UTF-8 (byte 0xf8"),
    "never UTF-8": (b"\xff", "is not UTF-8 (byte 0xff"),
    "half a letter": (b"\xe2\x82", "is not UTF-8 (byte 0xe2"),
    "a byte order mark": (codecs.BOM_UTF8, ""),
    "a noncharacter": ("\uffff".encode(), ""),
    "the last code point": ("\U0010ffff".encode(), ""),
    "a NUL": (b"\0", "line 14: holds a NUL"),
    "a form feed": (b"\f", ""),
    "an end of text": (b"\x1a", ""),
}
ENCODINGS: dict[str, BadFile] = {
    **{f"in {name}.csv": BadFile(content(CSV.encode(name)), said) for name, said in ENCODED.items()},
    **{f"in {name}.jsonl": BadFile(content(JSONL.replace("\\u00e9", "é").encode(name)), said.replace("2:", "1:"))
       for name, said in ENCODED.items() if name in {"latin-1", "cp1252", "utf-16"}},
    **{f"{name}.csv": BadFile(content(rows().encode() + b"a " + bad + b" b,1\n"), said)
       for name, (bad, said) in BYTES.items()},
    "two byte order marks.csv": BadFile(content(codecs.BOM_UTF8 * 2 + CSV.encode()), "no column has a name"),
    "a mark in the header.csv": BadFile(content(rows(header="text,\ufefflabel")), "no column has a name"),
    "a mark before each row.csv": BadFile(content(CSV.replace("\n", "\n\ufeff")), "has 1 fields"),
    "cut in a letter.csv": BadFile(content(CSV.encode() + "a é".encode()[:-1]), "line 14: is not UTF-8"),
    "cut in a letter.jsonl": BadFile(content(JSONL.encode() + b'{"text": "\xc3'), "line 13: is not UTF-8"),
}  # fmt: skip

# ---- quotes, rows and line ends ----

QUOTES: dict[str, BadFile] = {
    "a quote that never ends.csv": BadFile(content(rows('"never,1')), "line 14: the quotes don't match"),
    "a quote from the first row.csv": BadFile(content('text,label\n"never,1\n' + CSV[11:]), "line 2: the quotes don't"),
    "a quote in the header.csv": BadFile(content(CSV.replace("text", '"text', 1)), "line 1: the quotes don't match"),
    "text after a quote.csv": BadFile(content(rows('"a"b,1')), "line 14: the quotes don't match"),
    "one quote.csv": BadFile(content('"'), "line 1: the quotes don't match"),
    "quotes alone.csv": BadFile(content('""""""\n' * 5), "no column has a name"),
    "a stray quote.csv": BadFile(content(rows('a "stray" quote,1')), ""),
    "doubled quotes.csv": BadFile(content(rows('"a ""doubled"" quote",1')), ""),
    "a line end in quotes.csv": BadFile(content(rows('"a\nb",1')), ""),
    "backslashes for quotes.csv": BadFile(content(rows('"a \\"quote\\", b",1')), "line 14: the quotes don't match"),
    "curly quotes.csv": BadFile(content(rows("“a, b”,1")), "line 14: has 3 fields where the header has 2"),
    "single quotes.csv": BadFile(content(rows("'a, b',1")), "line 14: has 3 fields where the header has 2"),
    "a quote that never ends.tsv": BadFile(content('text\tlabel\n"never\t1\n'), "the same label"),
    "a quote that ends rows below.csv": BadFile(
        content("n,text,label\n0,a,0\n1,\"b,1\n" + "".join(f"{n},c,{n % 2}\n" for n in range(2, 12)) + "12,d\",0\n"),
        "line 3: a quote begins here that ends in line 14"),
    "parted by two signs.csv": BadFile(content("text|label;x\na|1;2\nb|0;2\n"), "may be parted by semicolon or pipe"),
    "a hundred thousand lines.csv": BadFile(content(rows('"' + "\n" * 100_001)), "line 14: a row of more than 100,000"),
    "too few fields.csv": BadFile(content(rows("alone")), "line 14: has 1 fields where the header has 2"),
    "too many fields.csv": BadFile(content(rows("a,b,1")), "line 14: has 3 fields where the header has 2"),
    "commas at the ends.csv": BadFile(content(CSV.replace("\n", ",\n")), ""),
    "a short header.csv": BadFile(content(rows(header="text")), "line 2: has 2 fields where the header has 1"),
    "semicolons.csv": BadFile(content(CSV.replace(",", ";")), ""),
    "bars.csv": BadFile(content(CSV.replace(",", "|")), ""),
    "tabs.csv": BadFile(content(CSV.replace(",", "\t")), ""),
    "commas.tsv": BadFile(content(CSV), ""),
    "a column more.csv": BadFile(content(rows(header="text,label,x")), "line 2: has 2 fields"),
    "many columns.csv": BadFile(content(",".join(map(str, range(1001))) + "\n"), "has 1001 columns"),
    "very many columns.csv": BadFile(content(",".join(map(str, range(20_000))) + "\n"), "has 20,000 columns"),
    "only a header.csv": BadFile(content("text,label\n"), "holds no rows"),
    "blank lines.csv": BadFile(content("\n" * 1000), "is empty"),
    "spaces.csv": BadFile(content("   \n  \n"), "is empty"),
    "a nameless header.csv": BadFile(content(rows(header=",")), "no column has a name"),
    "old Macintosh.csv": BadFile(content(CSV.replace("\n", "\r")), ""),
    "mixed line ends.csv": BadFile(content(CSV.replace("3\n", "3\r\n").replace("5\n", "5\r")), ""),
    "line ends of Unicode.csv": BadFile(content(CSV.replace("\n", "\u2028")), "holds no rows"),
    "no last line end.csv": BadFile(content(CSV[:-1]), ""),
    "NULs at the end.csv": BadFile(content(CSV.encode() + b"\0" * 4096), "line 14: holds a NUL"),
    "NULs alone.csv": BadFile(content(b"\0" * 4096), "line 1: holds a NUL"),
    "a NUL in the header.csv": BadFile(content(rows(header="te\0xt,label")), "line 1: holds a NUL"),
    "a NUL for a label.csv": BadFile(content(rows("a,\0")), "line 14: holds a NUL"),
    "a NUL.jsonl": BadFile(content(json_rows('{"text": "a\0", "label": 1}')), "line 13: holds a NUL"),
}  # fmt: skip

# ---- columns and values ----

VALUES: dict[str, BadFile] = {
    "a column twice.csv": BadFile(content("text,text,label\na,b,1\n"), "line 1: column 'text' is named twice"),
    "a column twice but for spaces.csv": BadFile(content("text, text,label\na,b,1\n"), "column 'text' is named twice"),
    "columns of two cases.csv": BadFile(content("text,Text,label\na,b,1\n"), "the text column may be text, Text"),
    "an empty text.csv": BadFile(content(rows(" ,1")), "line 14, column 'text': an empty text"),
    "no visible letter.csv": BadFile(content(rows("\u200b\u202e\ufeff,1")), "line 14, column 'text': an empty text"),
    "an empty label.csv": BadFile(content(rows("a,")), "line 14, column 'label': no label"),
    "a score.csv": BadFile(content(rows("a,0.73")), "line 14, column 'label': 0.73 is a score"),
    "a score beyond numbers.csv": BadFile(content(rows("a,1e-999")), "1e-999 is a score"),
    "dates for labels.csv": BadFile(content(rows("a,2024-01-02")), "line 14: label '2024-01-02'"),
    "days that a spreadsheet made.csv": BadFile(content(rows("a,1-Jan")), "line 14: label '1-Jan'"),
    "percentages.csv": BadFile(content(rows("a,50%")), "line 14: label '50%'"),
    "a comma for a point.csv": BadFile(content(rows('a,"0,5"')), "line 14, column 'label': 0,5 is a score"),
    "a number of 5000 digits.csv": BadFile(content(rows("a," + "9" * 5000)), "line 14: label '999"),
    "a label of a megabyte.csv": BadFile(content(rows("a," + "x" * 2**20)), "line 14: label 'xxx"),
    "not a number.csv": BadFile(content(rows("a,nan")), "line 14: label 'nan'"),
    "endless.csv": BadFile(content(rows("a,inf")), "line 14: label 'inf'"),
    "formulas.csv": BadFile(content(rows("=HYPERLINK(1),1", "+1,0", "-1,1", "@a,0", "\t=1,1")), ""),
    "a formula for a column.csv": BadFile(content(rows(header="=text,label")), "no column has a name"),
    "texts from right to left.csv": BadFile(content(rows("\u202eevil\u2066,1")), ""),
    "a column from right to left.csv": BadFile(content(rows(header="\u202etext,label")), "no column has a name"),
    "escapes for a column.csv": BadFile(content(rows(header="\x1b[2Jtext,label")), "no column has a name"),
    "one class.csv": BadFile(content("text,label\n" + "".join(f"{text},1\n" for text in TEXTS)), "the same label"),
    "a class for each row.csv": BadFile(content("text,label\n" + "".join(f"t{n},c{n}\n" for n in range(12))), "labels"),
    "an array.jsonl": BadFile(content(json_rows("[1, 2]")), "line 13: is not a JSON object"),
    "a number.jsonl": BadFile(content(json_rows("7")), "line 13: is not a JSON object"),
    "a null.jsonl": BadFile(content(json_rows("null")), "line 13: is not a JSON object"),
    "a string.jsonl": BadFile(content(json_rows('"text"')), "line 13: is not a JSON object"),
    "a pretty one.jsonl": BadFile(content(json.dumps([{"text": "a"}], indent=1)), "line 1: is not JSON"),
    "one array of all.jsonl": BadFile(content(json.dumps([{"text": "a"}])), "line 1: is not a JSON object"),
    "two objects on a line.jsonl": BadFile(content(json_rows('{"text": "a"} {"text": "b"}')), "line 13: is not JSON"),
    "a comment.jsonl": BadFile(content(json_rows("// a comment")), "line 13: is not JSON"),
    "a comma too many.jsonl": BadFile(content(json_rows('{"text": "a", "label": 1,}')), "line 13: is not JSON"),
    "Python.jsonl": BadFile(content(json_rows("{'text': 'a', 'label': True}")), "line 13: is not JSON"),
    "a raw tab.jsonl": BadFile(content(json_rows('{"text": "a\tb", "label": 1}')), "line 13: is not JSON"),
    "cut.jsonl": BadFile(content(JSONL[:-20]), "line 12: is not JSON"),
    "deep arrays.jsonl": BadFile(content(json_rows('{"text": ' + "[" * 100_000)), "line 13: holds a number or a"),
    "deep objects.jsonl": BadFile(content(json_rows('{"text": ' * 100_000)), "line 13: holds a number or a nesting"),
    "very many arrays.jsonl": BadFile(content(json_rows('{"x": [' + "[]," * 2**20)), "line 13: holds more than 1,0"),
    "a huge number.jsonl": BadFile(content(json_rows('{"text": "a", "label": ' + "9" * 5000 + "}")), "line 13: holds"),
    "an endless label.jsonl": BadFile(content(json_rows('{"text": "a", "label": 1e999}')), "line 13"),
    "Infinity.jsonl": BadFile(content(json_rows('{"text": "a", "label": -Infinity}')), "line 13"),
    "NaN.jsonl": BadFile(content(json_rows('{"text": "a", "label": NaN}')), "line 13, column 'label': no label"),
    "a field twice.jsonl": BadFile(content(json_rows('{"text": "a", "text": "b"}')), "line 13: column 'text' is named"),
    "half a pair.jsonl": BadFile(content(json_rows('{"text": "a \\ud800", "label": 1}')), ""),
    "half a pair for a name.jsonl": BadFile(content(json_rows('{"\\ud800": 1, "text": "a", "label": 1}')), ""),
    "an escaped NUL.jsonl": BadFile(content(json_rows('{"text": "a \\u0000", "label": 1}')), ""),
    "a nameless field.jsonl": BadFile(content(json_rows('{"": 1, "text": "a", "label": 1}')), ""),
    "a missing text.jsonl": BadFile(content(json_rows('{"label": 1}')), "line 13, column 'text': no text"),
    "a missing label.jsonl": BadFile(content(json_rows('{"text": "a"}')), "line 13, column 'label': no label"),
    "an object for a text.jsonl": BadFile(content(json_rows('{"text": {}, "label": 1}')), "type dict instead of a"),
    "a number for a text.jsonl": BadFile(content(json_rows('{"text": 1, "label": 1}')), "type int instead of a text"),
    "an object for a label.jsonl": BadFile(content(json_rows('{"text": "a", "label": {}}')), "line 13, column 'label'"),
    "labels of several types.jsonl": BadFile(content(json_rows('{"text": "a", "label": true}')), ""),
    "empty objects.jsonl": BadFile(content("{}\n" * 20), "no column has a name"),
    "very many fields.jsonl": BadFile(content(json.dumps({str(n): n for n in range(1001)})), "more than 1000 diff"),
    "a mark in the middle.jsonl": BadFile(content(json_rows('\ufeff{"text": "a", "label": 1}')), "13: is not JSON"),
}  # fmt: skip

# ---- what is something else ----


def archived(kind: str) -> bytes:
    held = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("a.csv", CSV)
    else:
        with tarfile.open(fileobj=held, mode="w") as file:
            file.addfile(tarfile.TarInfo("a.csv"))
    return held.getvalue()


def database(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE comments (text, label)")
    connection.close()


PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\6\0\0\0" + zlib.compress(b"\0" * 5)
HTML = "<!DOCTYPE html>\n<html><body><p>Sign in, please</p></body></html>\n"
MAGIC = {
    "a picture": (PNG, "is not UTF-8", "not a Parquet"),
    "gzip": (gzip.compress(CSV.encode(), mtime=0), "is not UTF-8", "not a Parquet"),
    "a zip": (archived("zip"), "line 1", "not a Parquet"),
    "a tar": (archived("tar"), "holds a NUL", "not a Parquet"),
    "HTML": (HTML.encode(), "line 2: has 2 fields", "not a Parquet"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "is not UTF-8", "not a Parquet"),
    "a program": (b"\x7fELF\2\1\1" + b"\0" * 60, "holds a NUL", "not a Parquet"),
    "a pickle": (pickle.dumps({"text": TEXTS}), "is not UTF-8", "not a Parquet"),
    "its own magic": (b"PAR1", "holds no rows", "not a Parquet"),
    "magic at both ends": (b"PAR1PAR1", "holds no rows", "not a Parquet"),
    "a secret": (b"PAR1" + b"\0" * 40 + b"PARE", "holds a NUL", "can't be read (Could not read encrypted"),
    "an ORC": (b"ORC\x1a", "holds no rows", "not a Parquet"),
    "a footer of 4 GB": (b"PAR1" + b"\0" * 8 + b"\xff\xff\xff\xff" + b"PAR1", "is not UTF-8", "not a Parquet"),
}
ELSE: dict[str, BadFile] = {
    **{f"{name}.csv": BadFile(content(made), said) for name, (made, said, _) in MAGIC.items()},
    **{f"{name}.parquet": BadFile(content(made), said) for name, (made, _, said) in MAGIC.items()},
    "a database.csv": BadFile(database, "holds a NUL"),
    "rows.parquet": BadFile(content(CSV), "not a Parquet file"),
    "columns.csv": BadFile(lambda path: pq.write_table(good_table(), path), "is not UTF-8"),
    "feather.parquet": BadFile(lambda path: feather.write_feather(good_table(), path), "not a Parquet file"),
    "an unknown kind.xlsx": BadFile(content(archived("zip")), "unknown kind of file"),
    "no kind": BadFile(content(CSV), "unknown kind of file"),
}

# ---- Parquet ----


def good_table(**columns: Any) -> pa.Table:
    return pa.table({"text": TEXTS, "label": LABELS, **columns})


def parquet(**columns: Any) -> Callable[[Path], object]:
    return lambda path: pq.write_table(good_table(**columns), path)


def written(columns: pa.Table) -> bytes:
    held = io.BytesIO()
    pq.write_table(columns, held)
    return held.getvalue()


WHOLE = written(good_table())
NESTED: Any = "a"
for _ in range(60):
    NESTED = [NESTED]


def cut(share: float) -> Callable[[Path], object]:
    return content(WHOLE[: int(len(WHOLE) * share)])


def flipped(share: float) -> Callable[[Path], object]:
    at = int((len(WHOLE) - 1) * share)
    return content(WHOLE[:at] + bytes([WHOLE[at] ^ 0xFF]) + WHOLE[at + 1 :])


def described(columns: pa.Table, old: bytes, new: bytes) -> Callable[[Path], object]:
    """A table in whose footer some bytes, which stand there once, are others."""
    whole = written(columns)
    start = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    rows, footer = whole[:start], whole[start:-8]
    assert footer.count(old) == 1
    footer = footer.replace(old, new)
    return content(rows + footer + len(footer).to_bytes(4, "little") + b"PAR1")


def many_nulls(path: Path) -> None:
    """Ten million rows and one in a few thousand bytes."""
    schema = pa.schema([("text", pa.string()), ("label", pa.int8())])
    pq.write_table(pa.table([pa.nulls(10_000_001, field.type) for field in schema], schema=schema), path)


def huge_list(path: Path) -> None:
    """One row with eleven million nulls."""
    values = pa.nulls(11_000_000, pa.int8())
    column = pa.ListArray.from_arrays(pa.array([0, len(values)], pa.int32()), values)
    pq.write_table(pa.table({"text": ["a"], "label": ["0"], "x": column}), path)


def wide_nulls(path: Path) -> None:
    """Sixty million cells in a few thousand bytes."""
    columns = {f"x{number}": pa.nulls(200_000, pa.int8()) for number in range(300)}
    pq.write_table(pa.table({"text": pa.nulls(200_000, pa.string()), "label": pa.nulls(200_000), **columns}), path)


def wide_rows(path: Path) -> None:
    """A row of a thousand fields, and sixty thousand of none."""
    first = {"text": "a", "label": "0", **{f"x{number}": 0 for number in range(990)}}
    path.write_text(json.dumps(first) + "\n" + "{}\n" * 60_000)


def huge_page(compression: str) -> Callable[[Path], object]:
    """A text of 80 MB that takes a few thousand bytes."""

    def make(path: Path) -> None:
        table = pa.table({"text": ["a" * 70_000_000, "b"], "label": ["0", "1"]})
        pq.write_table(table, path, compression=compression, use_dictionary=False, write_statistics=False)

    return make


def shared_text(path: Path) -> None:
    """A megabyte that 4000 rows share."""
    shared = pa.DictionaryArray.from_arrays(pa.array(np.zeros(4000, np.int32)), pa.array(["a" * 2**20]))
    pq.write_table(pa.table({"text": shared, "label": pa.array(np.arange(4000) % 2)}), path, compression="zstd")


def shared_in_lists(path: Path) -> None:
    """The same in a nested column."""
    shared = pa.DictionaryArray.from_arrays(pa.array(np.zeros(2000, np.int32)), pa.array(["a" * 2**20]))
    lists = pa.ListArray.from_arrays(pa.array(np.arange(0, 2001, 2000, dtype=np.int32)), shared)
    pq.write_table(pa.table({"text": ["a"], "label": [0], "x": lists}), path, compression="zstd")


def not_utf8(path: Path) -> None:
    broken = pa.Array.from_buffers(pa.string(), 1, [None, *pa.array([b"\xff\xfe"]).buffers()[1:]])
    pq.write_table(pa.table({"text": broken, "label": ["1"]}), path)


def typed(values: list[Any], kind: pa.DataType) -> pa.Array:
    return pa.array(values, kind)


PARQUET: dict[str, BadFile] = {
    **{f"cut at {share:.2f}.parquet": BadFile(cut(share), "not a Parquet file")
       for share in np.linspace(0.01, 0.99, 20)},
    "ten million rows of nothing.parquet": BadFile(many_nulls, "has 10,000,001 rows; at most 10,000,000"),
    "eleven million in one row.parquet": BadFile(huge_list, "column 'x.list.element' has"),
    "sixty million cells.parquet": BadFile(wide_nulls, "made to fill memory"),
    "sixty million cells.jsonl": BadFile(wide_rows, "made to fill memory"),
    **{f"pages in {kind}.parquet": BadFile(huge_page(kind), "made to fill memory") for kind in ("zstd", "brotli")},
    "a megabyte that rows share.parquet": BadFile(shared_text, "row 1 or after it: column 'text' repeats text"),
    "a megabyte that lists share.parquet": BadFile(shared_in_lists, "row 1 or after it: column 'x' repeats texts"),
    "no rows.parquet": BadFile(lambda path: pq.write_table(good_table().slice(0, 0), path), "holds no rows"),
    "no columns.parquet": BadFile(lambda path: pq.write_table(pa.table({}), path), "has no columns"),
    # In Thrift's compact protocol: `num_rows` of a row group is 0, then 2^62.
    "no columns, very many rows.parquet": BadFile(
        described(pa.table({}), b"\x19\x0c\x16\0\x16\0", b"\x19\x0c\x16\0\x16" + b"\x80" * 8 + b"\x80\x01"),
        "has no columns",
    ),
    # A column's `repetition_type` is optional, then required, which its histogram of levels denies.
    "a column described wrongly.parquet": BadFile(
        described(good_table(), b"\x25\x02\x18\x04text", b"\x25\0\x18\x04text"), "can't be read (Definition level"
    ),
    "a column twice.parquet": BadFile(
        lambda path: pq.write_table(pa.table([TEXTS, TEXTS, LABELS], names=["text", "text", "label"]), path),
        "column 'text' is named twice",
    ),
    "many columns.parquet": BadFile(parquet(**{f"c{n}": [0] * ROWS for n in range(1001)}), "has 1003 columns"),
    "no UTF-8.parquet": BadFile(not_utf8, "column 'text' can't be read"),
    "bytes for texts.parquet": BadFile(parquet(text=[b"a"] * ROWS), "row 1, column 'text': a value of type bytes"),
    "numbers for texts.parquet": BadFile(parquet(text=[1] * ROWS), "row 1, column 'text': a value of type int"),
    "lists for texts.parquet": BadFile(parquet(text=[["a"]] * ROWS), "row 1, column 'text': a value of type list"),
    "nothing for texts.parquet": BadFile(parquet(text=[None] * ROWS), "row 1, column 'text': no text"),
    "days for labels.parquet": BadFile(parquet(label=[date(2024, 1, 2)] * ROWS), "row 1, column 'label': a value"),
    "times for labels.parquet": BadFile(parquet(label=[datetime(2024, 1, 2)] * ROWS), "row 1, column 'label': a value"),
    "decimals for labels.parquet": BadFile(parquet(label=[Decimal("0.5")] * ROWS), "row 1, column 'label'"),
    "fractions for labels.parquet": BadFile(parquet(label=[0.25] * ROWS), "row 1, column 'label': 0.25 is a score"),
    "endless labels.parquet": BadFile(parquet(label=[float("inf"), 1.0] * 6), "row 1, column 'label'"),
    "no numbers for labels.parquet": BadFile(parquet(label=[float("nan"), 1.0] * 6), "row 1, column 'label': no label"),
    "structures for labels.parquet": BadFile(parquet(label=[{"a": 1}] * ROWS), "row 1, column 'label': {'a': 1} holds"),
    "whole fractions for labels.parquet": BadFile(parquet(label=[0.0, 1.0] * 6), ""),
    "truths for labels.parquet": BadFile(parquet(label=[True, False] * 6), ""),
    "a dictionary of labels.parquet": BadFile(parquet(label=pa.array(LABELS).dictionary_encode()), ""),
    "long texts.parquet": BadFile(parquet(text=typed(TEXTS, pa.large_string())), ""),
    "sixty levels.parquet": BadFile(parquet(x=[NESTED] * ROWS), "can't be read (Parquet schema too deeply nested"),
    "a map with a key twice.parquet": BadFile(
        parquet(x=typed([[("k", 1), ("k", 2)]] * ROWS, pa.map_(pa.string(), pa.int8()))), ""
    ),
    "times finer than Python's.parquet": BadFile(parquet(x=typed([1] * ROWS, pa.timestamp("ns"))), ""),
    "times of no calendar.parquet": BadFile(parquet(x=typed([2**62] * ROWS, pa.timestamp("us"))), ""),
    "a megabyte for a column's name.parquet": BadFile(parquet(**{"x" * 2**20: [0] * ROWS}), ""),
    "escapes for a column's name.parquet": BadFile(parquet(**{"\x1b[2J\u202e": [0] * ROWS}), ""),
}  # fmt: skip
"""Every one of them as data, where it is read; a byte that is flipped may be one that nobody looks at, so that
`FLIPPED` says nothing about that."""
FLIPPED: dict[str, BadFile] = {
    f"flipped at {share:.2f}.parquet": BadFile(flipped(share), "") for share in np.linspace(0, 1, 30)
}

# ---- what is no file ----


def bound_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        here = Path.cwd()
        os.chdir(path.parent)  # a socket's name must be short
        try:
            made.bind(path.name)
        finally:
            os.chdir(here)


def sparse(head: str, size: int) -> Callable[[Path], object]:
    """A file that claims gigabytes and takes none."""

    def make(path: Path) -> None:
        path.write_text(head)
        os.truncate(path, size)

    return make


def link_to(target: str) -> Callable[[Path], object]:
    return lambda path: path.symlink_to(target)


KINDS = ("csv", "tsv", "jsonl", "parquet")
NO_FILES: dict[str, BadFile] = {
    **{f"a folder.{kind}": BadFile(lambda path: path.mkdir(), "is a folder without a saved") for kind in KINDS},
    **{f"a pipe.{kind}": BadFile(os.mkfifo, "is a pipe or a device, not a file") for kind in KINDS},
    **{f"zeros without end.{kind}": BadFile(link_to("/dev/zero"), "is a pipe or a device") for kind in KINDS},
    **{f"empty.{kind}": BadFile(content(""), "is not a Parquet" if kind == "parquet" else "is empty")
       for kind in KINDS},
    "chance without end.csv": BadFile(link_to("/dev/urandom"), "is a pipe or a device, not a file"),
    "full.csv": BadFile(link_to("/dev/full"), "is a pipe or a device, not a file"),
    "memory.csv": BadFile(link_to("/proc/self/mem"), "can't be read"),
    "nowhere.csv": BadFile(link_to("nowhere"), "no such file"),
    "itself.csv": BadFile(lambda path: path.symlink_to(path.name), "no such file"),
    "a socket.csv": BadFile(bound_socket, "can't be read"),
    "a gigabyte of NULs.csv": BadFile(sparse("", 2**30), "line 1: is longer than"),
    "a field of a gigabyte.csv": BadFile(sparse('text,label\n"a', 2**30), "line 2: is longer than"),
    "a row of a gigabyte.jsonl": BadFile(sparse('{"text": "', 2**30), "line 1: is longer than"),
    "eight terabytes.parquet": BadFile(sparse("PAR1", 2**43), "is not a Parquet file"),
    "ENDS IN CAPITALS.CSV": BadFile(content(CSV), ""),
    "named\x1b[2J\nin lines\u202e.csv": BadFile(content("text,label\n"), "holds no rows"),
    f"{'long' * 62}.csv": BadFile(content("text,label\n"), "holds no rows"),
    "-rf.csv": BadFile(content("text,label\n"), "holds no rows"),
}  # fmt: skip

BAD_FILES: dict[str, BadFile] = {
    **ENCODINGS,
    **QUOTES,
    **VALUES,
    **ELSE,
    **PARQUET,
    **FLIPPED,
    **NO_FILES,
}
