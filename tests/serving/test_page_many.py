"""The page in a browser, many comments: lines or a file in, a table that sorts, a file out that Python's csv reads."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api")

from live_app import live_app  # noqa: E402
from page_browser import visiting  # noqa: E402
from tiny_bundles import label_decisions, tiny_bundle  # noqa: E402

import foreshot  # noqa: E402
from foreshot.data.reading.spreadsheets import inert  # noqa: E402
from foreshot.runtime.writing import new_columns  # noqa: E402

expect = sync_api.expect
LINES = ["thank you", "you absolute walnut", "you are kind absolute idiot", "hello kind day", "fool"]
LABELS = ["benign", "toxic"]
QUOTED = 'id;Body;note\r\n1;"you ""absolute""\r\nwalnut; yes";"naïve 😀"\r\n2;thank you;=1+1\r\n'


def paste(page: Any, lines: list[str]) -> None:
    page.get_by_role("tab", name="Many comments").click()
    page.get_by_label("Paste comments, one a line").fill("\n".join(lines))


def drop(page: Any, name: str, content: bytes) -> None:
    """Drop a file onto the page, as a hand does."""
    transfer = page.evaluate_handle(
        "([name, bytes]) => { const transfer = new DataTransfer();"
        " transfer.items.add(new File([new Uint8Array(bytes)], name)); return transfer; }",
        [name, list(content)],
    )
    page.dispatch_event("#drop", "dragover", {"dataTransfer": transfer})
    page.dispatch_event("#drop", "drop", {"dataTransfer": transfer})


def score(page: Any, rows: int) -> None:
    page.get_by_role("button", name=f"Score {rows:,} comment").click()
    expect(page.locator("#many-announcement")).to_contain_text("Done.")


def shown(page: Any, column: int = 2) -> list[str]:
    return page.locator(f"#table tbody tr > :nth-child({column})").all_inner_texts()


def downloaded(page: Any) -> tuple[str, bytes]:
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def rows_of(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True))


def cells(folder: Path, texts: list[str]) -> list[list[str]]:
    """What Python says of texts, as cells of the new columns."""
    return [
        [found.label, *map(json.dumps, found.scores.values()), found.decision, json.dumps(found.truncated)]
        for found in foreshot.load(folder)(texts)
    ]


def test_lines_are_scored_sorted_filtered_and_downloaded(browser, one_model, page_bundles):
    expected = cells(page_bundles["odd"], LINES)
    with visiting(browser, one_model) as page:
        paste(page, [LINES[0], "", "   ", *LINES[1:]])
        score(page, len(LINES))
        assert shown(page) == LINES
        assert shown(page, 3) == [row[3].capitalize() for row in expected]
        assert shown(page, 4) == [f"{float(row[2]):.2f}" for row in expected]
        assert "3 to block, 2 to allow." in page.locator("#tally").inner_text()

        heading = page.get_by_role("columnheader", name="Score")
        by_score = [text for _, text in sorted(zip([float(row[2]) for row in expected], LINES, strict=True))]
        for order, texts in (("descending", by_score[::-1]), ("ascending", by_score)):
            heading.get_by_role("button").click()
            expect(heading).to_have_attribute("aria-sort", order)
            assert shown(page) == texts
        expect(page.get_by_role("columnheader", name="Comment")).to_have_attribute("aria-sort", "none")
        page.get_by_role("columnheader", name="Comment").get_by_role("button").click()
        assert shown(page) == sorted(LINES)

        page.get_by_label("Show").select_option("allow")
        assert shown(page) == [text for text in sorted(LINES) if text in ("thank you", "hello kind day")]
        expect(page.locator("#shown")).to_have_text("Rows 1 to 2 of 2 that fit, of 5")

        name, content = downloaded(page)
        assert name == "comments.scored.csv"
        assert rows_of(content)[0] == ["text", *new_columns(LABELS, ["text"])]
        assert rows_of(content)[1:] == [[text, *row] for text, row in zip(LINES, expected, strict=True)]


def test_several_models_have_columns_of_their_own(browser, two_models, page_bundles):
    with visiting(browser, two_models) as page:
        paste(page, LINES)
        score(page, len(LINES))
        page.get_by_label("Show").select_option(label="the models disagree")
        assert shown(page) == ["thank you", "you are kind absolute idiot", "hello kind day"]
        assert shown(page, 3) == ["Allow", "Block", "Allow"]
        assert shown(page, 5) == ["Review", "Review", "Review"]
        _, content = downloaded(page)
        header, *rows = rows_of(content)
        names = [f"{model}_{column}" for model in page_bundles for column in new_columns(LABELS, ())]
        assert header == ["text", *names]
        both = [cells(folder, LINES) for folder in page_bundles.values()]
        assert rows == [[text, *odd, *careful] for text, odd, careful in zip(LINES, *both, strict=True)]


def test_a_multi_label_models_labels_stand_in_the_table_the_filter_and_the_file(browser, tmp_path):
    decisions = label_decisions("toxic", "insult", "threat")
    bundle = tiny_bundle(tmp_path / "several", decisions=decisions)
    texts = ["you absolute walnut", "thank you", "fool"]  # toxic and insult, nothing, all three
    with live_app({"several": bundle}) as address, visiting(browser, address) as page:
        paste(page, texts)
        score(page, len(texts))
        assert shown(page, 3) == ["Block\ninsult", "Allow", "Block\ninsult, threat"]
        page.get_by_label("Show").select_option(label="threat")
        assert shown(page) == ["fool"]
        _, content = downloaded(page)
    header, *rows = rows_of(content)
    assert header == ["text", *new_columns(list(decisions.by_label), ["text"], several=True)]
    for row, text, prediction in zip(rows, texts, foreshot.load(bundle)(texts), strict=True):
        cells = dict(zip(header, row, strict=True))
        assert (cells["text"], json.loads(cells["labels"])) == (text, list(prediction.labels))
        assert {name: float(cells[f"score_{name}"]) for name in decisions.by_label} == prediction.scores


def test_a_file_is_dropped_its_column_guessed_and_all_its_columns_kept(browser, one_model, page_bundles):
    with visiting(browser, one_model) as page:
        expect(page.get_by_label("A comment")).to_be_visible()
        drop(page, "export.csv", b"\xef\xbb\xbf" + QUOTED.encode())
        expect(page.locator("#file-name")).to_have_text("export.csv")
        expect(page.get_by_label("Column with the comments")).to_have_value("1")
        score(page, 2)
        texts = ['you "absolute"\r\nwalnut; yes', "thank you"]
        assert page.locator("#table tbody bdi").evaluate_all("all => all.map(one => one.textContent)") == texts
        name, content = downloaded(page)
        assert name == "export.scored.csv"
        assert content.startswith(b"\xef\xbb\xbf")  # so that the spreadsheet that wrote it reads it back
        header, *rows = rows_of(content[3:])
        assert header == ["id", "Body", "note", *new_columns(LABELS, ())]
        expected = cells(page_bundles["odd"], texts)
        assert rows == [["1", texts[0], "naïve 😀", *expected[0]], ["2", texts[1], "'=1+1", *expected[1]]]

        page.get_by_label("Column with the comments").select_option("note")
        score(page, 2)
        assert shown(page) == ["naïve 😀", "=1+1"]
        page.get_by_role("button", name="Remove the file").click()
        expect(page.get_by_role("button", name="Score", exact=True)).to_be_disabled()


def test_the_new_columns_never_take_the_name_of_an_old_one(browser, one_model):
    with visiting(browser, one_model) as page:
        drop(page, "old.tsv", b"decision\twords of theirs\nkeep\tyou absolute walnut, really\n")
        expect(page.locator("#file-rows")).to_contain_text("is a guess")
        expect(page.get_by_label("Column with the comments")).to_have_value("1")  # the longest texts
        score(page, 1)
        header = rows_of(downloaded(page)[1])[0]
        assert header == ["decision", "words of theirs", *new_columns(LABELS, ["decision", "words of theirs"])]


def test_a_file_of_lines_is_chosen(browser, one_model, tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("thank you, friend\nyou absolute walnut\n", encoding="utf-8")
    with visiting(browser, one_model) as page:
        page.get_by_role("tab", name="Many comments").click()
        page.get_by_label("Or drop a file here").set_input_files(path)
        score(page, 2)
        assert shown(page) == ["thank you, friend", "you absolute walnut"]


HOSTILE = [
    "=1+1",
    "+walnut",
    "-walnut",
    "@walnut",
    "\t=1",
    ' "=1',
    "＝1+1",
    "﹣1+1",
    "\u200b=1",
    "hello; =1+1",
    "hello\t@fool",
    "fine ;-) hello",
    "a-b=c",
    "-1+1",
]


def test_no_cell_of_the_download_is_a_formula(browser, one_model):
    with visiting(browser, one_model) as page:
        table = io.StringIO()
        csv.writer(table).writerows([["text", "-number"], *([text, "-1.5"] for text in HOSTILE), ["a\n=1", "2"]])
        drop(page, "hostile.csv", table.getvalue().encode())
        score(page, len(HOSTILE) + 1)
        header, *rows = rows_of(downloaded(page)[1])
        assert header[:2] == ["text", "'-number"]
        assert [row[0] for row in rows] == [inert(text) for text in [*HOSTILE, "a\n=1"]]
        assert sum(text != inert(text) for text in HOSTILE) == 12
        assert {row[1] for row in rows} == {"-1.5", "2"}  # a number is no formula


def test_csv_is_read_as_python_reads_it(browser, one_model):
    tables = [
        QUOTED,
        'text\n"a"\n',
        'text,b\r\n"","x"\r\n\r\n,\r\n"say ""so""",y',
        'text,b\rone,two\rthree,"fo\r\nur"',
        'text\n""\nlast,\n',
        "a,b,\n1,2,\n",
        'text,b\nit is 5" long,"a,b"',
    ]
    with visiting(browser, one_model) as page:
        for table in tables:
            delimiter = ";" if table is QUOTED else ","
            expected = [row for row in csv.reader(io.StringIO(table, newline=""), delimiter=delimiter) if row]
            read = page.evaluate(
                "async table => { const read = await import('/static/delimited.js');"
                " return read.parseDelimited(table, read.guessDelimiter(table)).map(row => row.cells); }",
                table,
            )
            assert read == expected


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("latin.csv", "text\nna\u00efve\n".encode("latin-1"), "latin.csv is not in UTF-8"),
        ("ragged.csv", b"text,note\na,b\nc, d, e\n", "Line 3 of ragged.csv has 3 cells where the header has 2"),
        ("open.csv", b'text,note\na,b\n"c,d\n', "Line 3: a quote is opened and never closed."),
        ("after.csv", b'text\n"a\nb"\n"c"d\n', "Line 4: something follows a closing quote"),
        ("header.csv", b"text,note\n", "header.csv has no row below its header."),
        ("empty.csv", b"", "empty.csv has no row"),
        ("rows.parquet", b"PAR1", "rows.parquet is no CSV, TSV or plain text"),
    ],
)
def test_a_file_that_can_not_be_read_says_why_and_where(browser, one_model, name, content, complaint):
    with visiting(browser, one_model) as page:
        page.get_by_role("tab", name="Many comments").click()
        drop(page, name, content)
        expect(page.locator("#many-problem")).to_contain_text(complaint)
        expect(page.locator("#run")).to_be_disabled()


def test_requests_stay_within_the_servers_limits(browser, page_bundles):
    limits = {"texts": 7, "body_bytes": 2_000, "text_length": 500}
    texts = [f"{number} walnut" for number in range(20)] + ["ü" * 400] * 2 + ["x" * 501] + ["é" * 499] * 3
    with live_app({"odd": page_bundles["odd"]}, limits=limits) as address, visiting(browser, address) as page:
        sent: list[bytes] = []
        page.on("request", lambda request: sent.extend([request.post_data_buffer] if request.method == "POST" else []))
        paste(page, texts)
        score(page, len(texts))
        assert max(map(len, sent)) <= 2_000
        assert max(len(json.loads(body)["texts"]) for body in sent) <= 7
        assert [text for body in sent for text in json.loads(body)["texts"]] == [
            text for text in texts if len(text) < 501
        ]
        page.get_by_label("Show").select_option(label="not scored")
        assert shown(page, 1) == ["23"]
        assert "longer than 500 characters, by 1" in shown(page, 3)[0]
        row = rows_of(downloaded(page)[1])[23]
        assert row == ["x" * 501, "", "", "", "", ""]


def test_a_server_that_takes_too_long_is_asked_for_less(browser, one_model):
    with visiting(browser, one_model, expected=("Failed to load",)) as page:
        sizes: list[int] = []

        def answer(route: Any) -> None:
            sizes.append(len(route.request.post_data_json["texts"]))
            if sizes[-1] > 8:
                route.fulfill(status=503, headers={"Retry-After": "1"}, json={"detail": "the answer took too long"})
            else:
                route.continue_()

        page.route("**/v1/classify", answer)
        paste(page, ["walnut"] * 16)
        page.get_by_role("button", name="Score 16 comments").click()
        expect(page.locator("#notices")).to_contain_text("The server is busy: the answer took too long.")
        expect(page.locator("#many-announcement")).to_contain_text("Done. 16 comments scored.")
        assert sizes[:2] == [16, 16]
        assert sum(size for size in sizes if size <= 8) == 16


def test_escape_cancels_and_keeps_what_was_scored(browser, one_model):
    texts = [f"walnut {number}" for number in range(40)]
    with visiting(browser, one_model) as page:
        page.route("**/v1/classify", lambda route: "walnut 39" in route.request.post_data or route.continue_())
        paste(page, texts)
        page.get_by_role("button", name="Score 40 comments").press("Enter")
        expect(page.get_by_role("button", name="Cancel")).to_be_focused()
        expect(page.locator("#progress-text")).to_have_text("32 of 40 comments")
        expect(page.locator("#done")).to_have_js_property("value", 32)
        assert shown(page, 3)[-1] == "waiting"
        page.keyboard.press("Escape")
        expect(page.locator("#many-problem")).to_contain_text("Cancelled.")
        expect(page.get_by_role("button", name="Score 40 comments")).to_be_focused()
        assert "32 comments scored, 8 not." in page.locator("#tally").inner_text()
        scored = [row[1] for row in rows_of(downloaded(page)[1])[1:]]
        assert scored == ["toxic"] * 32 + [""] * 8


def test_ten_thousand_rows_are_shown_a_hundred_at_a_time(browser, one_model):
    texts = [f"row {number}" for number in range(9_950)] + ["walnut"] * 50
    with visiting(browser, one_model) as page:
        drop(page, "rows.txt", "\n".join(texts).encode())
        score(page, 10_000)
        assert shown(page) == texts[:100]
        expect(page.locator("#shown")).to_have_text("Rows 1 to 100 of 10,000")
        expect(page.get_by_role("button", name="Previous")).to_be_disabled()
        page.get_by_role("button", name="Next").click()
        assert shown(page) == texts[100:200]
        page.get_by_role("columnheader", name="Score").get_by_role("button").click()
        assert shown(page)[:51] == [*["walnut"] * 50, "row 0"]
        expect(page.locator("#shown")).to_have_text("Rows 1 to 100 of 10,000")
