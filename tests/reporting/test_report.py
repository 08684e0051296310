"""The two files: the same numbers in both, well-formed, equal for equal results, and safe."""

import base64
import hashlib
import html
import itertools
import re
from html.parser import HTMLParser
from unittest import mock

import pytest
from bias_factory import IDENTITIES
from markdown_it import MarkdownIt
from markupsafe import Markup
from reasons_factory import EXPLAINED
from results_factory import HOSTILE, SCORES, make_results, make_trials

from foreshot.reporting.report import html_report, markdown_report, write_report
from foreshot.reporting.texts import visible
from foreshot.results.results import Results

VOID = {"meta", "br", "img", "link", "hr", "input"}
CASES = {
    "one seed": {},
    "no suite": {"kinds": ()},
    "learning rates searched": {
        "models": (*SCORES, "lora-tuned"),
        "unmatched": ("lora-tuned",),
        "trials": make_trials(),
    },
    "one student": {"models": ("teacher", "odd")},
    "three seeds": {"seeds": (0, 1, 2), "unmatched": ("lora",), "synthetic": False},
    "identity groups, reasons": {"identities": IDENTITIES, "explained": EXPLAINED},
    "identity groups, reasons, no student": {
        "identities": IDENTITIES,
        "explained": EXPLAINED[:1],
        "rationales": False,
        "models": ("teacher",),
    },
    "given teacher, no probes, no suite": {"given_teacher": True, "probes": (), "kinds": ()},
    "given teacher alone": {"given_teacher": True, "models": ("teacher",)},
    "three classes": {"classes": ("hate", "offensive", "neither"), "positive": None, "has_auroc": False},
}


class Page(HTMLParser):
    """What a page holds: its elements with attributes, its text, and what is not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.faults: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module", params=CASES.values(), ids=CASES.keys())
def made(request) -> tuple[Results, str]:
    """Results of each case, and their page."""
    results = make_results(**request.param)
    return results, html_report(results)


@pytest.fixture(scope="module")
def page(made) -> Page:
    return Page(made[1])


def test_elements_are_closed_in_order(page):
    assert page.faults == []
    assert page.open == []


def test_ids_are_unique_and_references_lead_somewhere(page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.elements:
        if (attributes.get("href") or "").startswith("#"):
            assert attributes["href"][1:] in ids
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in ids
        for used in re.findall(r"url\(#([^)]+)\)", " ".join(value or "" for value in attributes.values())):
            assert used in ids


def test_the_page_can_be_read_out(page):
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("main")) == len(page.all("h1")) == 1
    assert all("scope" in attributes for attributes in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    images = [attributes for _, attributes in page.elements if attributes.get("role") == "img"]
    assert all(attributes["aria-label"] for attributes in images)


def test_nothing_is_fetched(page):
    assert page.all("img") == page.all("link") == page.all("iframe") == []
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") for name in attributes), tag
        assert not {"src", "action", "formaction", "srcset", "data"} & set(attributes)
        assert (attributes.get("href") or "#").startswith("#")


def policy_of(page: Page) -> str:
    return next(attributes["content"] for attributes in page.all("meta") if "http-equiv" in attributes)


def test_no_script_may_run_but_the_one_of_the_ledger(usual_page):
    scripts = re.findall(r"<script>(.*?)</script>", usual_page, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    page = Page(usual_page)
    assert page.all("script") == [{}]
    assert policy_of(page).startswith("default-src 'none'")
    assert f"script-src 'sha256-{digest}';" in policy_of(page)


def test_without_flips_there_is_no_script():
    results = make_results().model_copy(update={"flips": [], "flip_counts": {}})
    page = Page(html_report(results))
    assert page.all("script") == page.all("form") == []
    assert "script-src 'none'" in policy_of(page)
    assert "Flip ledger" not in page.text


@pytest.fixture(scope="module")
def drawn_again() -> dict[bytes, Markup]:
    return {}


def test_equal_results_give_equal_bytes(made, tmp_path, known_drawings, drawn_again):
    results, page = made
    with mock.patch.dict(known_drawings, drawn_again, clear=True):
        write_report(results.model_copy(deep=True), tmp_path)
        drawn_again.update(known_drawings)
    assert (tmp_path / "report.html").read_bytes() == page.encode()
    assert (tmp_path / "report.md").read_bytes() == markdown_report(results).encode()


NUMBERS = ("0.1592", "0.1274", "0.2826", "0.961", "0.932", "0.987", "3/3", "22.7 M", "69.6 MB", "17,390,210",
           "1 min 12 s", "● 0.83", "0.64", "0.889", "0.956", "0.0125", "5e-5",
           "00112233aabbccdd")  # fmt: skip


@pytest.fixture(scope="module")
def both_texts(usual_page) -> tuple[str, str]:
    return Page(usual_page).text, html.unescape(markdown_report(make_results()))


@pytest.mark.parametrize("number", NUMBERS)
def test_both_files_show_the_number(both_texts, number):
    assert all(number in text for text in both_texts)


def test_several_seeds_show_their_spread_in_both():
    results = make_results(seeds=(0, 1, 2))
    text = Page(html_report(results)).text
    assert "0.1612 ± 0.0020" in text
    assert "0.1612 ± 0.0020" in markdown_report(results)
    assert "0.1592 … 0.1632" in text


def test_the_synthetic_corpus_is_called_so(usual_page):
    assert "Synthetic corpus" in Page(usual_page).text
    assert "Synthetic corpus" in markdown_report(make_results())
    assert "Synthetic corpus" not in Page(html_report(make_results(synthetic=False))).text


def test_without_probes_their_section_is_gone():
    page = Page(html_report(make_results(probes=(), kinds=())))
    assert "probes" not in [attributes.get("id") for _, attributes in page.elements]
    assert "no behaviour was looked at" in page.text
    assert "What the models say" not in markdown_report(make_results(probes=(), kinds=()))
    assert "no behaviour was looked at" not in Page(html_report(make_results(probes=()))).text


def test_every_markdown_table_has_its_columns():
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(markdown_report(make_results(seeds=(0, 1))))
    tables = [token for token in tokens if token.type == "table_open"]
    page = Page(html_report(make_results(seeds=(0, 1))))
    assert len(tables) == len(page.all("table")) + 1  # the students are a list in the page
    assert not [token for token in tokens if token.type == "paragraph_open" and token.markup == "|"]


def test_hostile_texts_are_only_text_in_the_page(hostile_page):
    page = Page(hostile_page)
    assert page.faults == []
    assert page.all("img") == []
    assert len(page.all("style")) == len(page.all("script")) == 1
    for text in HOSTILE[:-2]:
        assert " ".join(visible(text).split()) in page.text
    assert HOSTILE[-2] in page.text  # entities stand there as they were written
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f\u2028]", hostile_page)
    assert "x" * 400 not in hostile_page


def test_hostile_texts_are_only_text_in_markdown(hostile_results):
    source = markdown_report(hostile_results)
    tokens = MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(source)
    inline = [part for token in tokens if token.children for part in token.children]
    assert not [token.type for token in tokens if token.type == "html_block"]
    assert {part.type for part in inline} <= {"text", "text_special", "strong_open", "strong_close"}
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f\u2028]", source)
    harmless = [
        token.type for token in MarkdownIt("gfm-like", {"linkify": False}).parse(markdown_report(make_results()))
    ]
    assert tokens[0].type == harmless[0] == "heading_open"
    fences = [token for token in tokens if token.type == "fence"]
    assert len(fences) == 1
    assert "alert(4)" in fences[0].content


def test_templates_do_not_run_what_a_text_holds(hostile_page):
    assert "{{ 7*7 }}{% raw %}" in Page(hostile_page).text


def test_a_comparison_of_fifty_classes_has_no_matrix():
    classes = [f"class {index}" for index in range(50)]
    text = html_report(make_results(classes=classes, positive=None, models=("teacher", "odd")))
    assert "Confusion matrices" not in text
    assert "class 49" in text
