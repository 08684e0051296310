"""A suite that is handed out to be scored comes back as it was, whatever a spreadsheet was kept from obeying."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from foreshot.errors import ConfigError
from foreshot.suites.handing_out import read_scored_texts, write_suite

TEXTS = [
    "plain", "=1+1", "+49", "-1", "@you", "\t=tab", "  - dash", 'with "quotes"', "two\nlines", "semi;=colon", "é"
]  # fmt: skip


def suite_of(folder: Path) -> Path:
    path = folder / "suite.jsonl"
    rows = [
        {"text": text, "label": "toxic" if at % 2 else "benign", "functionality": "f"} for at, text in enumerate(TEXTS)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl"])
def test_every_text_joins_again(tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    assert write_suite(str(suite_of(tmp_path)), out) == len(TEXTS)
    if name.endswith("csv"):
        with out.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert not any(row["text"].startswith(("=", "+", "-", "@", "\t")) for row in rows)
        with out.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, [*rows[0], "score"])
            writer.writeheader()
            writer.writerows({**row, "score": f"{number / 100}"} for number, row in enumerate(rows))
    else:
        lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
        scored = (json.dumps({**line, "score": number / 100}) + "\n" for number, line in enumerate(lines))
        out.write_text("".join(scored), encoding="utf-8")
    found = read_scored_texts(str(out), ["score"]).of(TEXTS, 1)
    assert found[:, 0].tolist() == [number / 100 for number in range(len(TEXTS))]
    assert np.isnan(read_scored_texts(str(out), ["score"]).of(["another"], 1)).all()


def test_a_suite_is_never_written_over_itself_or_as_another_kind(tmp_path: Path) -> None:
    path = suite_of(tmp_path)
    before = path.read_bytes()
    with pytest.raises(ConfigError):
        write_suite(str(path), path)
    with pytest.raises(ConfigError, match=r"must end in \.csv or \.jsonl"):
        write_suite("builtin", tmp_path / "cases.xlsx")
    assert path.read_bytes() == before
