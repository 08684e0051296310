"""Sections: what the page says, the Markdown says too, in the same order and under the same titles."""

import html
import re

import pytest
from mending_factory import mended_results
from results_factory import make_results, make_trials

from foreshot.reporting.report import html_report, markdown_report, sections_of
from foreshot.reporting.section import Bullets, Columns, Prose, Shown
from foreshot.results.results import Results

RESULTS = {
    "usual": {},
    "seeds, identities and reasons": {
        "seeds": (0, 1, 2), "identities": ("women", "men"), "explained": ("you fool", "a nice day"),
    },
    "a search": {
        "models": ("teacher", "odd", "lora", "lora-tuned"), "unmatched": ("lora-tuned",), "trials": make_trials(),
    },
    "no suite, no probes": {"kinds": (), "probes": ()},
    "no toxic class": {"classes": ("news", "sport", "talk"), "positive": None, "kinds": (), "probes": ()},
    "a teacher alone": {"models": ("teacher",)},
    "mended": {"make": mended_results, "seeds": (0, 1, 2)},
}  # fmt: skip


def plain(text: str) -> str:
    """A text without what either format escapes it by."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"\\(?=[\W_])", "", html.unescape(text)))).strip()


def texts_of(blocks) -> list[str]:
    """The prose, list items and table titles of a section, in order, but for what one format alone shows."""
    found: list[str] = []
    for block in blocks:
        if isinstance(block, Prose) and not block.only:
            found.append(block.text)
        elif isinstance(block, Bullets):
            found += block.items
        elif isinstance(block, Shown):
            found += [cell.text for row in block.table.rows for cell in row.cells if len(cell.text) > 3]
        elif isinstance(block, Columns):
            for column in block.columns:
                found += texts_of(column)
    return found


@pytest.fixture(params=RESULTS)
def results(request: pytest.FixtureRequest) -> Results:
    given = {"make": make_results, **RESULTS[request.param]}
    return given.pop("make")(**given)


def test_both_formats_have_the_same_sections_with_the_same_texts(results: Results) -> None:
    page, markdown = html_report(results), markdown_report(results)
    titles = [section.title for section in sections_of(results)]
    of_page = [plain(title) for title in re.findall(r"<h2 id=[^>]*>(.*?)</h2>", page)]
    of_markdown = [plain(title) for title in re.findall(r"^## (.*)$", markdown, re.MULTILINE)]
    assert of_markdown[0].startswith("Verdict: ")
    assert of_page[1:] == of_markdown[1:] == titles
    shown, written = plain(re.sub(r"<[^>]+>", " ", page)), plain(markdown)
    for section in sections_of(results):
        for text in texts_of(section.blocks):
            number = text.partition(" ± ")[0]
            assert plain(number) in shown, (section.anchor, text)
            assert plain(number) in written, (section.anchor, text)


@pytest.mark.parametrize(("positive", "kinds", "said"), [(None, (), True), ("sport", (), False), (None, None, False)])
def test_why_there_is_no_suite_is_said_where_no_class_is_toxic(positive, kinds, said) -> None:
    options = {} if kinds is None else {"kinds": kinds}
    made = make_results(classes=("news", "sport"), positive=positive, probes=(), **options)
    for report in (html_report(made), plain(markdown_report(made))):
        assert ("No suite was run: none of the classes is taken for toxic" in report) == said


def test_the_list_of_sections_leads_to_each_of_them(results: Results) -> None:
    page = html_report(results)
    anchors = re.findall(r'<li><a href="#([\w-]+)">', page)
    assert anchors == [section.anchor for section in sections_of(results)]
    assert all(page.count(f'id="{anchor}"') == 1 for anchor in anchors)
