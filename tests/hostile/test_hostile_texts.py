"""Texts from strangers at every outlet: terminal, page, Markdown, CSV, JSON, card, server, logs, metrics."""

import ast
import csv
import io
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from attacks import ATTACKS, MARK, SPREADSHEET
from markdown_it import MarkdownIt
from prometheus_client.parser import text_string_to_metric_families
from results_factory import make_results
from rich.console import Console
from served import served
from tiny_bundles import make_manifest, tiny_bundle

import foreshot as foreshot_package
from foreshot.exporting.card import card
from foreshot.reporting.report import html_report, markdown_report, write_report
from foreshot.reporting.terminal import print_table
from foreshot.results.behaviour import Probe
from foreshot.results.decisions import Decision
from foreshot.results.results import Results

Foreshot = Callable[..., Any]
TEXTS = tuple(ATTACKS.values())
OBEYED = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
)
"""What a terminal or the order of letters obeys; but for the line end."""
LABELS = (ATTACKS["a script"], ATTACKS["clear the screen"])


def attacked_results() -> Results:
    """A report whose every text attacks it."""
    return make_results(
        models=("teacher", "odd", ATTACKS["a picture"], ATTACKS["C1"]),
        seeds=(0, 1, 2),
        classes=LABELS,
        positive=LABELS[1],
        probes=[Probe(text=text, label=LABELS[number % 2], note=text) for number, text in enumerate(TEXTS)],
        name=ATTACKS["out of a title"],
        text_column=ATTACKS["override"],
        announcements=TEXTS,
        command=ATTACKS["code"],
        kinds=[(f"{text} kind", number % 2) for number, text in enumerate(TEXTS[:40])],
        flip_texts=TEXTS,
        group_names=TEXTS[40:52],
        identities=TEXTS[52:60],
    )


@pytest.fixture(scope="module")
def results() -> Results:
    return attacked_results()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose name and labels attack."""
    labels = [*LABELS]
    return tiny_bundle(
        tmp_path_factory.mktemp("attacked") / "bundle",
        labels=labels,
        positive=labels[1],
        name=ATTACKS["title"],
        decision=Decision(policy="best-f1", threshold=0.6),
    )


def harmless(shown: str) -> str:
    """Nothing in it that a terminal would obey."""
    found = OBEYED.search(shown)
    assert found is None, repr(shown[max(0, found.start() - 40) : found.end() + 40])
    return shown


def test_the_list_is_as_long_as_is_said() -> None:
    assert len(ATTACKS) >= 90
    assert all(MARK in text for text in TEXTS)
    assert any(OBEYED.search(text) for text in TEXTS)


# ---- the terminal ----


@pytest.mark.parametrize("width", [80, 200])
def test_the_table_of_a_comparison(results: Results, width: int) -> None:
    screen = io.StringIO()
    print_table(results, Console(file=screen, width=width, force_terminal=True, color_system=None))
    assert MARK in harmless(screen.getvalue())


def test_predictions_of_texts(foreshot: Foreshot, bundle: Path) -> None:
    texts = [text for text in TEXTS if "\0" not in text and not text.startswith("-")]  # what a command line can hold
    for form in ((), ("--json",)):
        done = foreshot("predict", bundle, *form, *texts)
        assert done.exit_code == 0, done.stderr
        assert done.stdout.count("\n") == len(texts) + (not form)
        harmless(done.stdout)
    assert done.stdout.isascii()
    assert [json.loads(line)["text"] for line in done.stdout.splitlines()] == texts


def test_predictions_of_a_stream_on_a_terminal(bundle: Path) -> None:
    from foreshot.runtime.classifier import load
    from foreshot.runtime.scoring import score_file

    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    asked = "".join(json.dumps({"text": text, text: text}) + "\n" for text in TEXTS[:1]) + "".join(
        json.dumps({"text": text}) + "\n" for text in TEXTS
    )
    screen = Screen()
    assert score_file(load(bundle), io.BytesIO(asked.encode()), screen, kind="jsonl").rows == len(TEXTS) + 1
    harmless(screen.getvalue())
    plain = "".join(f"{text.splitlines()[0]}\n" for text in TEXTS)
    screen = Screen()
    score_file(load(bundle), io.BytesIO(plain.encode()), screen)
    harmless(screen.getvalue())


def test_a_check_and_its_suite(foreshot: Foreshot, tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "bundle\x07")
    rows = [
        {
            "text": f"{number} {text}",
            "label": ["benign", "toxic"][number % 2],
            "functionality": text,
            "group": text,
            "note": text,
        }
        for number, text in enumerate(TEXTS)
    ]
    suite = tmp_path / "suite\x1b[2J\u202e.jsonl"
    suite.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = foreshot("check", bundle, "--suite", suite, "--fail-under", "1")
    assert done.exit_code == 1, done.stderr
    harmless(done.output)
    found = foreshot("check", bundle, "--suite", suite, "--json")
    assert found.stdout.isascii()
    assert json.loads(found.stdout)["suite"]["cases"] == len(rows)


def test_a_migration(foreshot: Foreshot, bundle: Path, tmp_path: Path) -> None:
    stored = tmp_path / "stored\x07.jsonl"
    stored.write_text(
        "".join(json.dumps({"text": text, "score": n % 10 / 10, text[:9]: text}) + "\n" for n, text in enumerate(TEXTS))
    )
    done = foreshot("migrate", stored, "--model", bundle, "--worst", "100", "--out", tmp_path / "both.csv")
    assert done.exit_code == 0, done.stderr
    harmless(done.output)
    check_cells((tmp_path / "both.csv").read_text(encoding="utf-8"))
    assert foreshot("migrate", stored, "--model", bundle, "--json").stdout.isascii()


@pytest.mark.parametrize(
    "name", ["C1", "title", "bell", "carriage return", "override", "line separators", "a second line", "a path"]
)
def test_names_in_errors(foreshot: Foreshot, bundle: Path, tmp_path: Path, name: str) -> None:
    """A file, a column, a label, a model and a graph of this name."""
    attack = ATTACKS[name].replace("\0", "")
    path = tmp_path / f"{attack.replace('/', '')[:60]}.csv"
    path.write_text("alpha,beta\n")
    table = tmp_path / "table.jsonl"
    table.write_text(json.dumps({attack: 1, "text": "a", "label": attack, "functionality": attack}) + "\n")
    for command in (
        ["check", bundle, "--suite", path],
        ["check", bundle, "--suite", table],
        ["check", bundle, f"--positive={attack}"],
        ["check", tmp_path / attack.replace("/", "")[:60]],
        ["predict", bundle, table, f"--text={attack}x"],
        ["predict", bundle, "hello", f"--file={attack}"],
        ["compare", "--data", table, "--encoder", f"{attack}", "--name", "a"],
        ["compare", "--data", "x.csv", f"--set={attack}=1"],
        ["serve", f"{attack}={bundle}"],
        ["new-key", f"a{attack}"],
    ):
        stopped = foreshot(*command)
        assert isinstance(stopped.exception, SystemExit), (command, stopped.exception)
        assert stopped.exit_code == 2, (command, stopped.output)
        harmless(stopped.output)


# ---- files ----


def check_cells(text: str) -> list[list[str]]:
    """The rows of a CSV, none of whose cells a spreadsheet would compute."""
    rows = list(csv.reader(io.StringIO(text, newline="")))
    for row in rows:
        for cell in row:
            if not re.fullmatch(r"-?[\d.e+-]*", cell):
                assert not re.match(r"[\s\u200b\"]*[=+\-@＝＋－＠]|[\t\r\n]", cell), cell
                assert not re.search(r"[;\t\r\n]\s*[=@＝＠]", cell), cell
    return rows


def test_flips_of_attacks_are_no_formulas(results: Results) -> None:
    from foreshot.judging.flips import to_csv

    rows = check_cells(to_csv(results.flips))
    assert len(rows) == len(results.flips) + 1


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_predicted_tables_hold_no_formula(foreshot: Foreshot, bundle: Path, tmp_path: Path, suffix: str) -> None:
    """Of rows that were JSON: as an application reads them, and none of them lost."""
    source, out = tmp_path / "in.jsonl", tmp_path / f"out.{suffix}"
    source.write_text("".join(json.dumps({"text": text, "=1+1": text}) + "\n" for text in TEXTS))
    assert foreshot("predict", bundle, source, "--out", out).exit_code == 0
    written = out.read_bytes().decode()
    if suffix == "csv":
        assert len(check_cells(written)) == len(TEXTS) + 1
    found = list(csv.DictReader(io.StringIO(written, newline=""), delimiter="," if suffix == "csv" else "\t"))
    assert [row["text"].replace("'", "") for row in found] == [text.replace("'", "") for text in TEXTS]
    guarded = [row["text"] != text for row, text in zip(found, TEXTS, strict=True)]
    assert sum(guarded) >= len(SPREADSHEET)
    assert "'=1+1" in found[0]


def test_a_table_that_was_csv_stays_as_it_was(foreshot: Foreshot, bundle: Path, tmp_path: Path) -> None:
    """It was a table before, and another program may compare the two; docs/bundles.md says so."""
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    texts = [text for text in TEXTS if "\0" not in text]
    with source.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text",), *((text,) for text in texts)])
    assert foreshot("predict", bundle, source, "--out", out).exit_code == 0
    with out.open(newline="", encoding="utf-8") as file:
        assert [row["text"] for row in csv.DictReader(file)] == texts


def test_markdown_reports_hold_no_markup_of_a_text(results: Results) -> None:
    check_markdown(markdown_report(results))


@pytest.mark.parametrize("name", ATTACKS)
def test_cards_hold_no_markup_of_a_text(name: str) -> None:
    attack = ATTACKS[name]
    written = card(make_manifest(name=attack, labels=[attack, "b"], positive=attack, versions={attack: attack}))
    _, metadata, text = written.split("---\n", 2)
    found = yaml.safe_load(metadata)
    assert set(found) <= {"pipeline_tag", "library_name", "tags", "model-index", "base_model"}
    assert found.get("base_model") in {None, "tiny"}
    check_markdown(text)


def check_markdown(source: str) -> None:
    """By an independent parser, with HTML on: no HTML, no link that isn't ours, no picture."""
    harmless(source)
    tokens = MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(source)
    inside = [child for token in tokens for child in (token.children or [])]
    kinds = {token.type for token in [*tokens, *inside]}
    assert not kinds & {"html_block", "html_inline", "image"}
    for token in inside:
        if token.type == "link_open":
            assert "evil" not in str(token.attrs)
            assert "javascript" not in str(token.attrs)


# ---- the page of the report ----


def test_the_report_in_a_browser(browser: Any, results: Results, tmp_path: Path) -> None:
    write_report(results, tmp_path)
    check_page(browser, tmp_path / "report.html", scripts=1)


def check_page(browser: Any, file: Path, *, scripts: int) -> None:
    """No script of a text ran, nothing was asked for, nothing sticks out, and the texts can be read."""
    address = file.as_uri()
    events: list[str] = []
    for width in (360, 1280):
        page = browser.new_page(viewport={"width": width, "height": 800})
        page.on("console", lambda message: events.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: events.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (events.append("dialog"), dialog.dismiss()))
        page.on("request", lambda request: events.append(f"request: {request.url}"))
        page.goto(address)
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        assert set(events) == {f"request: {address}"}
        title = page.title()
        assert title != "owned"
        active = page.locator("script, iframe, object, embed, base, form[action], link[href], img[onerror]")
        assert active.count() == scripts
        ours = "all => all.filter(one => [...one.attributes].some(a => a.name.startsWith('on'))).length"
        assert page.locator("*").evaluate_all(ours) == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert ATTACKS["a script"] in page.locator("body").inner_text()
        assert "{{ 7*7 }}" in page.locator("body").inner_text()
        page.close()


def test_explanations_of_texts(foreshot: Foreshot, bundle: Path, browser: Any, tmp_path: Path) -> None:
    """On the terminal, as JSON lines, and as a page, in which no script of a text runs."""
    source, page = tmp_path / "in.jsonl", tmp_path / "explained.html"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    shown = foreshot("explain", bundle, source)
    assert shown.exit_code == 0, shown.stderr
    assert MARK in harmless(shown.stdout)
    lines = foreshot("explain", bundle, source, "--json").stdout
    assert lines.isascii()
    assert [json.loads(line)["text"] for line in lines.splitlines()] == list(TEXTS)
    assert foreshot("explain", bundle, source, "--html", page).exit_code == 0
    check_page(browser, page, scripts=0)


def test_the_page_holds_nothing_that_reorders(results: Results) -> None:
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f\x80-\x9f\u2028\u2029]", html_report(results))


# ---- the server ----


def test_a_server_answers_attacks_and_logs_none(bundle: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As texts, names, paths, headers and broken bodies: only JSON is answered, and no log or metric has the text."""
    caplog.set_level(logging.DEBUG)
    with served({"odd": bundle}) as client:
        for text in TEXTS:
            usable = text.replace("\0", "")
            answered = client.post("/v1/classify", json={"texts": [usable], "explain": True})
            assert answered.status_code == 200, answered.text
            bodies: list[Any] = [
                {"texts": [text], "model": text},
                {"texts": text, text: text},
                {"texts": [{text: text}]},
                {"texts": [usable], "model": None, "explain": text},
            ]
            answers = [client.post("/v1/classify", json=body) for body in bodies]
            answers.append(
                client.post("/v1/classify", content=text.encode(), headers={"content-type": "application/json"})
            )
            answers.append(client.post("/v1alpha1/comments:analyze", json={"comment": {"text": text}, text: text}))
            answers.append(client.get("/" + "".join(letter for letter in text if letter.isalnum())))
            for answer in [answered, *answers]:
                assert answer.headers["content-type"].startswith(("application/json", "application/problem+json"))
                assert answer.headers["x-content-type-options"] == "nosniff"
                assert answer.status_code < 500
                assert answer.text.isascii()
                harmless(answer.text)
        metrics = client.get("/metrics").text
    said = [record.getMessage() for record in caplog.records if not record.name.startswith("httpx")]
    assert len(said) > 7 * len(TEXTS)
    paths = [line for line in said if MARK in line]
    assert all(re.search(rf" GET /\w*{MARK}\w*(…| )", line) for line in paths)  # what was asked for, printable
    for line in said:
        harmless(line)
        assert "evil.example" not in line
        assert "<" not in line
    families = list(text_string_to_metric_families(metrics))
    assert {family.name for family in families if family.name.startswith("foreshot")}
    values = {value for family in families for sample in family.samples for value in sample.labels.values()}
    assert {value for value in values if MARK in value} <= set(LABELS)


# ---- templates ----


def test_every_template_escapes_or_says_why_not() -> None:
    """Jinja escapes HTML, but for what is Markdown, where `finalize` escapes each text instead."""

    found = []
    for path in sorted(Path(foreshot_package.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in {
                "Environment", "NativeEnvironment", "SandboxedEnvironment", "Template", "from_string",
            }:  # fmt: skip
                given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                found.append((path.name, given.get("autoescape"), given.get("finalize", "")))
    assert [name for name, escapes, _ in found if escapes == "True"] == ["page.py", "render_html.py"]
    others = [(name, finalize) for name, escapes, finalize in found if escapes != "True"]
    assert [name for name, _ in others] == ["card.py"]  # it writes Markdown
    assert all("markdown(value)" in finalize for _, finalize in others)
