"""Identity columns: which cells say that a group is mentioned, and that they follow their rows into the test part."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from foreshot.data.split import split_tables
from foreshot.data.table import read_table
from foreshot.errors import DataError


def csv_file(folder, cells, header="walnuts"):
    lines = [f"comment,toxic,{header}", *(f"text {number},{number % 2},{cell}" for number, cell in enumerate(cells))]
    path = folder / "test.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_numbers_words_shares_and_nothing(tmp_path):
    cells = ["0", "1", "true", "FALSE", "0.5", "0.49999", "1.0", "0.0", "", "1e-1", "5e-1"]
    table = read_table(csv_file(tmp_path, cells), identity_columns=["walnuts"])
    assert [int(found) for found in table.identities["walnuts"]] == [0, 1, 1, 0, 1, 0, 1, 0, 0, 0, 1]


def test_parquets_own_types(tmp_path):
    columns = {
        "text": ["a", "b", "c", "d"],
        "label": [0, 1, 0, 1],
        "boolean": [True, False, None, True],
        "share": [0.6, 0.4, None, float("nan")],
        "whole": [1, 0, None, 1],
    }
    pq.write_table(pa.table(columns), tmp_path / "test.parquet")
    table = read_table(tmp_path / "test.parquet", identity_columns=["boolean", "share", "whole"])
    assert table.identities == {
        "boolean": [True, False, False, True],
        "share": [True, False, False, False],
        "whole": [True, False, False, True],
    }


@pytest.mark.parametrize("cell", ["2", "-1", "1.5", "maybe", "inf", "-inf", "nan", "gay", "0,5", "1 0"])
def test_another_value_is_refused_with_its_row(tmp_path, cell):
    path = csv_file(tmp_path, ["0", f'"{cell}"', "1"])
    with pytest.raises(DataError) as stopped:
        read_table(path, identity_columns=["walnuts"])
    assert str(stopped.value).startswith(f"{path}, line 3, column 'walnuts': '{cell}' doesn't say")
    assert str(stopped.value).endswith("an empty cell counts as 0")


def test_a_column_that_is_missing(tmp_path):
    with pytest.raises(DataError, match="no column 'nuts' for identity_columns; its columns are comment, toxic, wal"):
        read_table(csv_file(tmp_path, ["0", "1"]), identity_columns=["nuts"])


def test_they_follow_their_rows_past_bad_and_repeated_ones_into_the_parts(tmp_path):
    lines = ["comment,toxic,walnuts", ",1,1", "text 1,1,1", "text 1,1,1"]
    lines += [f"text {number},{number % 2},{int(number % 3 == 0)}" for number in range(2, 60)]
    path = tmp_path / "data.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    table = read_table(path, skip_bad_rows=True, identity_columns=["walnuts"])
    split = split_tables(
        table, None, None, positive=None, validation_fraction=0.2, test_fraction=0.4, seed=3, max_train_rows=None
    )
    test = split.parts["test"]
    assert len(test.identities["walnuts"]) == len(test) > 20
    expected = [number == 1 or number % 3 == 0 for number in (int(text.split()[1]) for text in test.texts)]
    assert test.identities["walnuts"] == expected
    assert any(expected)
    assert not all(expected)
