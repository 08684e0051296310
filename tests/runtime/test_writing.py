"""What is written: names of new columns, cells as text, and the safety of spreadsheets."""

import datetime
import decimal
import json

import pytest

from foreshot.runtime.writing import as_json, as_text, new_columns


def test_names_of_new_columns():
    plain = ["label", "score_benign", "score_toxic", "decision", "truncated"]
    assert new_columns(["benign", "toxic"], ["text"]) == plain
    prefixed = [f"predicted_{name}" for name in plain]
    assert new_columns(["benign", "toxic"], ["text", "score_toxic"]) == prefixed
    again = new_columns(["benign", "toxic"], [*plain, *prefixed])
    assert again == [f"predicted_{name}" for name in prefixed]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("=1", "=1"),
        (datetime.date(2026, 2, 3), "2026-02-03"),
        (datetime.datetime(2026, 2, 3, 4, 5, tzinfo=datetime.UTC), "2026-02-03T04:05:00+00:00"),
        (datetime.time(4, 5), "04:05:00"),
        (decimal.Decimal("1.10"), "1.10"),
        (b"\xff", "/w=="),
        ([1, {"ü": None}], '[1, {"ü": null}]'),
        (datetime.timedelta(seconds=1), "0:00:01"),
        (True, "true"),
    ],
)
def test_values_as_text(value, text):
    assert as_text(value) == text


def test_json_is_valid_unicode_and_holds_what_json_has_no_form_for():
    written = as_json({"a": [datetime.date(2026, 2, 3), {"b": "x\ud83d"}]})
    written.encode("utf-8")
    assert json.loads(written) == {"a": ["2026-02-03", {"b": "x\ufffd"}]}
