"""Reading: every format, where rows start, and a table of bad files with what their messages must say."""

import csv
import json
import subprocess
import sys

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from foreshot.data.reading.files import MOST_COLUMNS, READERS, open_sheet
from foreshot.data.reading.records import open_records
from foreshot.data.texts import excerpt, listing, place
from foreshot.errors import DataError

BOM = b"\xef\xbb\xbf"


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# ---- what is read ----


@pytest.mark.parametrize(
    ("name", "content", "columns", "rows"),
    [
        ("a.csv", "text,label\nhi,0\nyo,1\n", {"text": ["hi", "yo"], "label": ["0", "1"]}, [2, 3]),
        ("a.CSV", "text,label\nhi,0", {"text": ["hi"], "label": ["0"]}, [2]),
        ("crlf.csv", "text,label\r\nhi,0\r\nyo,1\r\n", {"text": ["hi", "yo"], "label": ["0", "1"]}, [2, 3]),
        (
            "quoted.csv",
            'text,label\n"a\nb, ""c""",0\nyo,1\n',
            {"text": ['a\nb, "c"', "yo"], "label": ["0", "1"]},
            [2, 4],
        ),
        ("bom.csv", BOM + b"text,label\nhi,0\n", {"text": ["hi"], "label": ["0"]}, [2]),
        ("blank.csv", "text,label\n\nhi,0\n\n", {"text": ["hi"], "label": ["0"]}, [3]),
        ("index.csv", ",text , label\n7,hi,0\n", {"column 1": ["7"], "text": ["hi"], "label": ["0"]}, [2]),
        ("a.tsv", "text\tlabel\nhi, you\t0\n", {"text": ["hi, you"], "label": ["0"]}, [2]),
        (
            "a.jsonl",
            '{"text": "hi", "label": 0}\n\n{"label": true}\n',
            {"text": ["hi", None], "label": [0, True]},
            [1, 3],
        ),
        ("a.ndjson", BOM + b'{"text": "hi"}\r\n', {"text": ["hi"]}, [1]),
        ("ls.jsonl", '{"text": "a\u2028b\x85c"}\n', {"text": ["a\u2028b\x85c"]}, [1]),
        ("half.jsonl", r'{"text": "a\ud83d b \ud83d\ude00"}', {"text": ["a\ufffd b 😀"]}, [1]),
    ],
)
def test_text_files_are_read(tmp_path, name, content, columns, rows):
    path = write(tmp_path, name, content)
    sheet = open_sheet(str(path))
    assert (sheet.columns, sheet.rows, sheet.source) == (columns, rows, str(path))


def test_a_field_longer_than_the_csv_modules_limit_is_read_and_the_limit_restored(tmp_path):
    limit = csv.field_size_limit()
    long = "x" * (limit + 1)
    assert open_sheet(write(tmp_path, "a.csv", f"text,label\n{long},0\n")).columns["text"] == [long]
    assert csv.field_size_limit() == limit


def test_the_csv_modules_limit_is_restored_by_readers_that_end_in_any_order(tmp_path):
    limit = csv.field_size_limit()
    path = write(tmp_path, "a.csv", "text,label\nhi,0\nho,1\n")
    first, second = open_records(path), open_records(path)
    next(first.items)
    next(second.items)
    with first:
        pass
    assert csv.field_size_limit() == limit
    with second:
        pass
    assert csv.field_size_limit() == limit


def test_parquet_is_read_with_its_types(tmp_path):
    pq.write_table(pa.table({"text": ["hi", None], "label": [True, False]}), tmp_path / "a.parquet")
    sheet = open_sheet(tmp_path / "a.parquet")
    assert sheet.columns == {"text": ["hi", None], "label": [True, False]}
    assert sheet.rows == [1, 2]


# ---- Hugging Face datasets ----


def test_a_saved_dataset_gives_its_class_names_and_missing_labels(tmp_path):
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["ok", "rude"])})
    made = datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": [1, 0, -1]}, features=features)
    made.select([2, 0]).save_to_disk(tmp_path / "saved")
    sheet = open_sheet(tmp_path / "saved")
    assert sheet.columns == {"text": ["c", "a"], "label": [None, "rude"]}
    assert sheet.rows == [1, 2]


@pytest.fixture
def three_parts(tmp_path):
    parts = {name: datasets.Dataset.from_dict({"text": [name]}) for name in ("train", "dev", "test")}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "parts")
    return tmp_path / "parts"


@pytest.mark.parametrize(("part", "found"), [("train", "train"), ("validation", "dev"), ("test", "test")])
def test_part_chooses_the_split(three_parts, part, found):
    assert open_sheet(three_parts, part=part).columns == {"text": [found]}


def test_a_part_that_is_missing_is_named(three_parts):
    with pytest.raises(DataError, match="no part 'extra'; its parts are train, dev, test"):
        open_sheet(three_parts, part="extra")


def test_the_only_split_serves_as_any_part(tmp_path):
    datasets.DatasetDict({"train": datasets.Dataset.from_dict({"text": ["a"]})}).save_to_disk(tmp_path / "one")
    assert open_sheet(tmp_path / "one", part="test").columns == {"text": ["a"]}


def test_a_hub_id_is_loaded_by_datasets(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    asked = []

    def load_dataset(*args, **options):
        asked.append((args, options))
        return datasets.DatasetDict({"train": datasets.Dataset.from_dict({"text": ["a"]})})

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert open_sheet("owner/name").columns == {"text": ["a"]}
    assert asked == [(("owner/name",), {})]


def test_a_hub_id_that_cant_be_loaded_says_why(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def load_dataset(name):
        raise ConnectionError(f"couldn't reach\n{name}")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(DataError, match=r"^owner/name: no such file.*ConnectionError: couldn't reach owner/name\)"):
        open_sheet("owner/name")


def test_a_file_in_a_folder_that_exists_is_never_asked_of_the_hub(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    monkeypatch.setattr(datasets, "load_dataset", lambda name: pytest.fail("asked the hub"))
    for name in ("data/misspelt", "elsewhere/comments.csv"):
        with pytest.raises(DataError, match=f"^{name}: no such file$"):
            open_sheet(name)


def test_without_the_train_extra_a_dataset_says_what_to_install(monkeypatch, three_parts):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"pip install 'foreshot\[train\]'"):
        open_sheet(three_parts)


# ---- bad input ----

DEEP = '{"text": ' + "[" * 100_000
BAD_FILES = [
    ("latin.csv", b"text,label\nhi,0\ncaf\xe9,1\n", ["line 3", "not UTF-8", "0xe9 at offset 19", "iconv"]),
    ("bom-latin.csv", BOM + b"text\nhi\n\xe9\n", ["line 3", "offset 11"]),
    ("utf16.csv", "text,label\nhi,0\n".encode("utf-16"), ["UTF-16", "iconv -f UTF-16"]),
    ("nul.csv", b"text,label\nhi,0\nb\0d,1\n", ["line 3", "NUL"]),
    ("nul.jsonl", b'{"text": "a"}\n{"text": "\0"}\n', ["line 2", "NUL"]),
    ("empty.csv", b"", ["is empty"]),
    ("white.jsonl", b"\n \n", ["is empty"]),
    ("header.csv", b"text,label\n", ["no rows of data"]),
    (
        "ragged.csv",
        b'text,label\n"a\nb",0\na, b,1\n',
        ["line 4", "has 3 fields", "header has 2", "double quotes"],
    ),
    ("short.tsv", b"text\tlabel\nhi\n", ["line 2", "has 1 fields", "header has 2"]),
    ("open.csv", b'text,label\nhi,0\n"never closed,1\nyo,0\n', ["line 3", "quotes don't match"]),
    ("inside.csv", b'text,label\n"he said "hi" to me",0\n', ["line 2", "quotes don't match", "twice"]),
    ("twice.csv", b"text,label,text\na,0,b\n", ["line 1", "'text' is named twice"]),
    ("twice.jsonl", b'{"text": "a"}\n{"text": "a", "text": "b"}\n', ["line 2", "'text' is named twice"]),
    ("syntax.jsonl", b'{"text": "a"}\n{"text": "a" "b"}\n', ["line 2", "not JSON", "character 14"]),
    ("list.jsonl", b'[{"text": "a"}]\n', ["line 1", "not a JSON object"]),
    ("deep.jsonl", DEEP.encode(), ["line 1", "too large"]),
    ("digits.jsonl", b'{"label": ' + b"9" * 5000 + b"}", ["line 1", "too large"]),
    (
        "fields.jsonl",
        "\n".join(f'{{"f{i}": 1}}' for i in range(MOST_COLUMNS + 1)),
        ["line 1001: more than 1000 different fields"],
    ),
    (
        "wide.csv",
        ",".join(f"f{i}" for i in range(MOST_COLUMNS + 1)) + "\n" + "," * MOST_COLUMNS,
        ["1001 columns"],
    ),
    ("not.parquet", b"text,label\nhi,0\n", ["not a Parquet file, or is damaged"]),
    ("notes.docx", b"hi", ["unknown kind of file", ".csv, .tsv, .jsonl, .ndjson, .parquet"]),
]


@pytest.mark.parametrize(("name", "content", "words"), BAD_FILES, ids=[name for name, _, _ in BAD_FILES])
def test_a_bad_file_is_refused_in_one_line(tmp_path, name, content, words):
    path = write(tmp_path, name, content)
    with pytest.raises(DataError) as caught:
        open_sheet(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    assert len(message) < len(str(path)) + 250
    for word in words:
        assert word in message


def test_a_cut_parquet_file_is_refused(tmp_path):
    pq.write_table(pa.table({"text": ["hello"] * 1000}), tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    for name, content in (
        ("short.parquet", whole[: len(whole) // 2]),
        ("zeros.parquet", whole[:4] + bytes(len(whole) - 4)),
    ):
        with pytest.raises(DataError, match=r"damaged|can't be read"):
            open_sheet(write(tmp_path, name, content))


def test_repeated_and_empty_parquet_columns_are_refused(tmp_path):
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    pq.write_table(table, tmp_path / "twice.parquet")
    with pytest.raises(DataError, match="'text' is named twice"):
        open_sheet(tmp_path / "twice.parquet")
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "none.parquet")
    with pytest.raises(DataError, match="no rows of data"):
        open_sheet(tmp_path / "none.parquet")


def test_a_folder_without_a_dataset_is_refused(tmp_path):
    with pytest.raises(DataError, match="folder without a saved Hugging Face dataset"):
        open_sheet(tmp_path)


def test_a_damaged_saved_dataset_is_refused(tmp_path):
    write(tmp_path, "dataset_info.json", "{}")
    with pytest.raises(DataError, match=r"state\.json: can't be read"):
        open_sheet(tmp_path)


def test_a_name_longer_than_names_may_be_is_refused(tmp_path):
    with pytest.raises(DataError, match="can't be read"):
        open_sheet(tmp_path / f"{'x' * 300}.csv")


# ---- words of messages ----


def test_an_excerpt_is_short_and_printable():
    assert excerpt("a\x1b[31m\u202eb\n\n c") == "a[31mb c"
    assert excerpt("x" * 41) == "x" * 40 + "…"
    assert excerpt("x" * 40) == "x" * 40
    assert len(excerpt("\x00" * 10**6 + "x" * 10**6)) <= 41


def test_a_listing_is_cut():
    assert listing(["a", "b"]) == "a, b"
    assert listing(range(5), most=2) == "0, 1 and 3 more"


def test_a_place_is_a_line_where_there_are_lines():
    assert place("a.CSV", 3) == "a.CSV, line 3"
    assert place("a.parquet", 3) == "a.parquet, row 3"
    assert place("owner/name", 3) == "owner/name, row 3"


def test_readers_are_told_by_suffix():
    assert list(READERS) == [".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"]


def test_importing_loads_nothing_that_only_training_needs():
    modules = "foreshot.data.reading.files, foreshot.data.table, foreshot.data.labels, foreshot.data.split"
    code = f"import sys, json, {modules}; print(json.dumps([name.split('.')[0] for name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"torch", "transformers", "sklearn", "datasets"} & set(json.loads(done.stdout)) == set()


def test_fields_are_columns_in_the_order_that_they_come_in(tmp_path):
    """Which Python's sets haven't."""
    file = tmp_path / "fields.jsonl"
    rows = [dict.fromkeys(names, "x") for names in (["text", "label", "who", "when", "why"], ["how", "text", "what"])]
    file.write_text("\n".join(map(json.dumps, rows)))
    assert [*open_sheet(file).columns] == ["text", "label", "who", "when", "why", "how", "what"]
