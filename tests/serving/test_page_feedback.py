"""The page in a browser, right and wrong: what a person says of an answer is kept, which is said before."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api")

from live_app import live_app  # noqa: E402
from page_browser import AXE, ask, violations, visiting  # noqa: E402
from tiny_bundles import label_decisions, tiny_bundle  # noqa: E402

expect = sync_api.expect
TOXIC, BENIGN, HOSTILE = "you absolute walnut", "thank you", "<img src=x onerror=alert(1)>\nwalnut 🙂"


def kept_in(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "feedback.jsonl").read_text("utf-8").splitlines()]


@contextmanager
def keeping(folder: Path, **bundles: Path) -> Iterator[str]:
    """A server that keeps corrections in a folder."""
    with live_app(bundles, feedback={"file": str(folder / "feedback.jsonl")}) as address:
        yield address


def answer_of(line: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: line.get(name) for name in ("text", "said", *names)}


def test_without_feedback_there_are_no_buttons_and_nothing_is_kept(browser, one_model):
    with visiting(browser, one_model) as page:
        ask(page, TOXIC)
        assert page.locator(".feedback").count() == 0
        expect(page.locator("#comment-note")).to_contain_text(
            "What you write is not kept, by this page or by the server."
        )


def test_right_and_wrong_are_kept_with_the_comment_and_the_last_word_counts(browser, tmp_path):
    with keeping(tmp_path, odd=tiny_bundle(tmp_path / "odd")) as address, visiting(browser, address) as page:
        expect(page.locator("#comment-note")).to_contain_text("then the server keeps the comment and what you said")
        right, wrong = (page.get_by_role("button", name=name, exact=True) for name in ("Right", "Wrong"))
        expect(right).to_be_hidden()
        ask(page, HOSTILE)
        right.click()
        expect(page.locator(".feedback .note")).to_have_text("Kept, with the comment: toxic.")
        expect(right).to_have_attribute("aria-pressed", "true")
        wrong.click()
        expect(page.locator(".feedback .note")).to_have_text("Kept, with the comment: benign.")
        expect(right).to_have_attribute("aria-pressed", "false")
        ask(page, BENIGN)
        expect(page.locator(".feedback .note")).to_have_text("")
        expect(wrong).to_have_attribute("aria-pressed", "false")
        wrong.click()
        expect(page.locator(".feedback .note")).to_have_text("Kept, with the comment: toxic.")
        page.get_by_role("button", name="Clear").click()
        expect(right).to_be_hidden()
    assert [answer_of(line, "label") for line in kept_in(tmp_path)] == [
        {"text": HOSTILE, "said": "toxic", "label": "toxic"},
        {"text": HOSTILE, "said": "toxic", "label": "benign"},
        {"text": BENIGN, "said": "benign", "label": "toxic"},
    ]


def test_of_several_classes_it_asks_which_by_keyboard_too(browser, tmp_path):
    bundle = tiny_bundle(tmp_path / "topics", labels=["sport", "food", "weather"])
    with keeping(tmp_path, topics=bundle) as address, visiting(browser, address) as page:
        ask(page, TOXIC)
        wrong = page.get_by_role("button", name="Wrong", exact=True)
        expect(wrong).to_have_attribute("aria-expanded", "false")
        wrong.focus()
        page.keyboard.press("Enter")
        expect(wrong).to_have_attribute("aria-expanded", "true")
        assert page.locator(".which button").all_inner_texts() == ["Sport", "Weather"]
        expect(page.get_by_role("button", name="Sport")).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator(".feedback .note")).to_have_text("Kept, with the comment: weather.")
        expect(page.locator(".which")).to_be_hidden()
        expect(wrong).to_be_focused()
    assert answer_of(kept_in(tmp_path)[0], "label") == {"text": TOXIC, "said": "food", "label": "weather"}


def test_of_several_labels_it_asks_for_all_that_are_right(browser, tmp_path):
    bundle = tiny_bundle(tmp_path / "several", decisions=label_decisions("toxic", "insult", "threat"))
    with keeping(tmp_path, several=bundle) as address, visiting(browser, address) as page:
        ask(page, TOXIC)
        page.get_by_role("button", name="Wrong", exact=True).click()
        boxes = page.get_by_role("checkbox")
        assert [box.is_checked() for box in boxes.all()] == [True, True, False]
        page.get_by_role("checkbox", name="Toxic").uncheck()
        page.get_by_role("checkbox", name="Threat").check()
        page.get_by_role("button", name="Keep these").click()
        expect(page.locator(".feedback .note")).to_have_text("Kept, with the comment: insult and threat.")
        ask(page, BENIGN)
        page.get_by_role("button", name="Right", exact=True).click()
        expect(page.locator(".feedback .note")).to_have_text("Kept, with the comment: none of the labels.")
    assert [answer_of(line, "labels") for line in kept_in(tmp_path)] == [
        {"text": TOXIC, "said": ["toxic", "insult"], "labels": ["insult", "threat"]},
        {"text": BENIGN, "said": [], "labels": []},
    ]


def test_each_model_is_judged_by_itself(browser, tmp_path, page_bundles):
    with keeping(tmp_path, **page_bundles) as address, visiting(browser, address) as page:
        ask(page, TOXIC)
        page.get_by_role("group", name="Your word on careful").get_by_role("button", name="Wrong").click()
        expect(page.locator(".card").nth(1).locator(".feedback .note")).to_have_text("Kept, with the comment: benign.")
        expect(page.locator(".card").nth(0).locator(".feedback .note")).to_have_text("")
    assert [line["model"] for line in kept_in(tmp_path)] == ["careful"]


def test_what_is_not_kept_is_said_in_the_servers_words(browser, tmp_path):
    with (
        keeping(tmp_path, odd=tiny_bundle(tmp_path / "odd")) as address,
        visiting(browser, address, expected=("507",)) as page,
    ):
        ask(page, TOXIC)
        full = {"status": 507, "json": {"detail": "no more corrections are kept: all files are full"}}
        page.route("**/v1/feedback", lambda route: route.fulfill(**full))
        right = page.get_by_role("button", name="Right", exact=True)
        right.click()
        expect(page.locator(".feedback .note")).to_have_text(
            "Not kept: no more corrections are kept: all files are full."
        )
        expect(right).to_have_attribute("aria-pressed", "false")


@pytest.mark.skipif(not AXE.exists(), reason="needs axe-core: npm ci --prefix tests/serving/npm")
@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
def test_axe_finds_nothing_serious_and_nothing_sticks_out(browser, tmp_path, width, scheme):
    options = {"color_scheme": scheme, "bypass_csp": True, "reduced_motion": "reduce"}
    several = tiny_bundle(tmp_path / "several", decisions=label_decisions("toxic", "insult", "threat"))
    with (
        keeping(tmp_path, several=several, odd=tiny_bundle(tmp_path / "odd")) as address,
        visiting(browser, address, viewport={"width": width, "height": 800}, **options) as page,
    ):
        ask(page, TOXIC)
        page.get_by_role("button", name="Wrong", exact=True).first.click()
        page.get_by_role("button", name="Wrong", exact=True).last.click()
        expect(page.locator(".feedback .note").last).not_to_be_empty()
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
