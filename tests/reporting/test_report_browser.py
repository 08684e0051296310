"""The page in a browser: nothing is fetched, nothing sticks out, all of it can be read, the verdict first."""

from pathlib import Path

import pytest
from bias_factory import IDENTITIES
from contrast import LOW_CONTRAST
from reasons_factory import EXPLAINED, MARKED
from results_factory import PROBES, SCORES, make_hostile_results, make_results, make_trials

from foreshot.reporting.report import write_report

CASES = {
    "plain": lambda: make_results(
        models=(*SCORES, "lora-tuned"),
        seeds=(0, 1, 2),
        unmatched=("lora-tuned",),
        probes=PROBES * 4,
        trials=make_trials(),
        identities=IDENTITIES,
        explained=EXPLAINED,
    ),
    "hostile": make_hostile_results,
}


@pytest.fixture(scope="module", params=CASES, ids=CASES.keys())
def report(request, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    write_report(CASES[request.param](), folder)
    return folder / "report.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_quiet_and_legible(browser, report, scheme):
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    events: list[str] = []
    page.on("console", lambda message: events.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: events.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (events.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda request: events.append(f"request: {request.url}"))
    page.goto(report.as_uri())
    assert events == [f"request: {report.as_uri()}"]
    low, looked_at = page.evaluate(LOW_CONTRAST)
    assert low == []
    assert looked_at > 5
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(253, 253, 252)", "dark": "rgb(21, 24, 27)"}[scheme]
    curve = page.locator("#training ~ .drawings svg path[style*='--classification']").first
    assert (
        curve.evaluate("path => getComputedStyle(path).stroke")
        == {
            "light": "rgb(0, 114, 178)",
            "dark": "rgb(100, 184, 234)",
        }[scheme]
    )
    context.close()


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_wide_tables_scroll_in_their_frame_and_the_page_does_not(browser, report, width):
    page = browser.new_page(viewport={"width": width, "height": 740})
    page.goto(report.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("window.scrollTo(500, 0)")
    assert page.evaluate("window.scrollX") == 0
    if width == 360:
        frame = page.locator("#comparison ~ .frame").first
        assert frame.evaluate("frame => frame.scrollWidth > frame.clientWidth")
        frame.evaluate("frame => { frame.scrollLeft = 200; }")
        name = frame.locator("tbody th").nth(1).bounding_box()
        assert name["x"] >= 0  # the model's name stays in sight
        smallest = page.evaluate(
            "Math.min(...[...document.querySelectorAll('figure svg text')]"
            ".map(text => text.getBoundingClientRect().height))"
        )
        assert smallest >= 9
    page.close()


def test_the_page_prints_on_paper(browser, report):
    page = browser.new_page(color_scheme="dark")
    page.goto(report.as_uri())
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert page.pdf().startswith(b"%PDF")
    page.close()


@pytest.fixture(scope="module")
def usual_report(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("usual")
    notes = ["lora's words agree with people less than the teacher's."]
    write_report(make_results(seeds=(0, 1, 2), explained=EXPLAINED, verdict_notes=notes), folder)
    return folder / "report.html"


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_the_first_screen_says_what_to_ship_and_why(browser, usual_report, width, height):
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(usual_report.as_uri())
    results = make_results(seeds=(0, 1, 2))
    assert results.verdict.kind == "conflict"
    texts = ["Verdict: conflict", "Don't ship lora", "Keep the teacher", "Synthetic corpus"]
    for part in [page.get_by_text(text).first for text in texts]:
        box = part.bounding_box()
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= height
    cards = page.locator(".cards li")
    assert cards.count() == 5
    for student in results.verdict.students:
        box = cards.filter(has=page.get_by_text(student.model, exact=True)).bounding_box()
        assert box["y"] + box["height"] <= height
        assert box["x"] + box["width"] <= width
    sizes = "(e) => parseFloat(getComputedStyle(e).fontSize)"
    assert page.locator(".order").first.evaluate(sizes) > page.locator("main p").first.evaluate(sizes) * 0.85
    ground = page.locator(".verdict").evaluate("e => getComputedStyle(e).backgroundColor")
    assert ground == "rgb(140, 35, 0)"
    page.close()


def shown_words(page, selector: str) -> list[dict]:
    """Words of the teacher's line on the first example: text, ground (alpha last), and how they are underlined."""
    return (
        page.locator("ul.views")
        .first.locator("li", has_text="teacher")
        .locator(selector)
        .evaluate_all(
            "words => words.map(word => { const style = getComputedStyle(word); return {text: word.textContent, "
            "ground: style.backgroundColor.match(/[\\d.]+/g).map(Number), line: style.textDecorationLine}; })"
        )
    )


def test_words_are_coloured_by_where_they_push_and_how_strongly(browser, usual_report):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(usual_report.as_uri())
    page.get_by_role("link", name="Why they decide so").click()
    assert (
        page.locator("p.sentence").first.inner_text() == EXPLAINED[0]
    )  # a word keeps its place, and the spaces theirs
    walnut, nobody, stupid = shown_words(page, "mark.towards")
    assert [word["text"] for word in (walnut, nobody, stupid)] == ["walnut", "nobody", "stupid"]
    assert walnut["ground"][:3] == stupid["ground"][:3] == [213, 94, 0]
    assert nobody["ground"][3] < walnut["ground"][3] < stupid["ground"][3]
    assert {word["text"] for word in shown_words(page, ".by-people")} == {"walnut", "stupid"} < set(MARKED)
    assert [word["line"] for word in (walnut, nobody, stupid)] == ["underline", "none", "underline"]
    away = page.locator("ul.views").nth(1).locator("mark.away").first
    assert away.inner_text() == "lovely"
    assert away.get_attribute("title") == "−1.65"
    assert away.evaluate("word => getComputedStyle(word).backgroundColor").startswith("rgba(0, 114, 178")
    page.close()


def shown_rows(page) -> list[dict[str, str]]:
    return page.locator("#ledger-table tbody tr").evaluate_all(
        "rows => rows.filter(row => row.offsetParent).map(row => ({...row.dataset, text: row.innerText}))"
    )


@pytest.mark.parametrize("width", [390, 1280])
def test_the_ledger_is_filtered_by_keyboard_and_by_touch(browser, usual_report, width):
    page = browser.new_page(viewport={"width": width, "height": 844})
    page.goto(usual_report.as_uri())
    flips, form = make_results(seeds=(0, 1, 2)).flips, page.locator("#ledger-filters")
    assert len(shown_rows(page)) == 50
    page.get_by_role("button", name="Show all 500").click()
    assert len(shown_rows(page)) == 500

    form.get_by_label("model").select_option("odd")
    form.get_by_label("change").select_option("newly missed")
    form.get_by_label("where").select_option("suite")
    fitting = [flip for flip in flips if (flip.model, flip.kind, flip.part) == ("odd", "newly missed", "suite")]
    assert 0 < len(fitting) < 50
    shown = shown_rows(page)
    assert len(shown) == len(fitting)
    assert {(row["model"], row["kind"], row["part"]) for row in shown} == {("odd", "newly missed", "suite")}
    assert f"{len(fitting)} shown of {len(fitting)} that fit" in page.locator("#ledger-status").inner_text()

    for label in ("model", "change", "where"):
        form.get_by_label(label).select_option("")
    form.get_by_label("text contains").focus()
    page.keyboard.type("BOOK CLUB")
    fitting = [flip for flip in flips if "book club" in flip.text.lower()]
    assert len(shown_rows(page)) == min(50, len(fitting))
    assert all("book club" in row["text"] for row in shown_rows(page))
    page.keyboard.press("Enter")  # the form goes nowhere
    assert page.url == usual_report.as_uri()
    form.get_by_label("text contains").fill("no such text anywhere")
    assert shown_rows(page) == []
    page.close()


def test_without_scripts_the_whole_ledger_can_be_read(browser, usual_report):
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 844})
    page = context.new_page()
    page.goto(usual_report.as_uri())
    assert not page.locator("#ledger-filters").is_visible()
    assert not page.locator("#ledger-more").is_visible()
    rows = page.locator("#ledger-table tbody tr")
    assert rows.count() == 500
    assert rows.last.is_visible()
    context.close()


def test_hostile_texts_do_not_break_the_filters(browser, hostile_page, tmp_path):
    (tmp_path / "report.html").write_text(hostile_page, encoding="utf-8")
    page = browser.new_page()
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    page.goto((tmp_path / "report.html").as_uri())
    page.get_by_label("text contains").fill("<script>")
    shown = shown_rows(page)
    assert shown
    assert all("<script>" in row["text"] for row in shown)
    page.close()


def test_paper_holds_the_first_fifty_flips(browser, usual_report):
    page = browser.new_page()
    page.goto(usual_report.as_uri())
    page.get_by_role("button", name="Show all 500").click()
    page.emulate_media(media="print")
    assert len(shown_rows(page)) == 50
    assert not page.locator("#ledger-filters").is_visible()
    page.close()
