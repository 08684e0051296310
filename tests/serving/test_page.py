"""The page in a browser, one comment: the answer as one types, why, by which model, and when none comes."""

import hashlib
import re
import threading
from collections.abc import Sequence
from dataclasses import replace
from math import log
from pathlib import Path
from typing import Any

import pytest

from waiting import PATIENCE

sync_api = pytest.importorskip("playwright.sync_api")

from live_app import live_app  # noqa: E402
from page_browser import THRESHOLD, ask, make_origin, visiting  # noqa: E402
from tiny_bundles import label_decisions, label_probabilities_of, probabilities_of, tiny_bundle  # noqa: E402

from foreshot.results.decisions import Decision  # noqa: E402
from foreshot.runtime.bundle import SelfTest  # noqa: E402
from foreshot.runtime.classifier import Prediction  # noqa: E402
from foreshot.serving.batching import Batcher  # noqa: E402
from foreshot.serving.catalogue import Catalogue  # noqa: E402
from foreshot.serving.settings import Limits, new_key  # noqa: E402

expect = sync_api.expect
TOXIC, BENIGN = "you absolute walnut", "thank you"
BETWEEN = "you are kind absolute idiot"  # 0.87: odd blocks it, careful would have a person look


def toxicity(text: str) -> float:
    return probabilities_of(text)[1]


def log_odds(text: str) -> float:
    benign, toxic = probabilities_of(text)
    return log(toxic / benign)


def tempered(folder: Path, temperature: float) -> Path:
    """A bundle that divides its logits; an empty text still has an even chance."""
    even = SelfTest(text="", scores={"model.onnx": [0.5, 0.5]})
    return tiny_bundle(folder, decision=Decision(policy="argmax", temperature=temperature), self_test=[even])


def test_a_toxic_and_a_benign_comment_get_their_verdicts_in_words_and_in_a_bar(browser, one_model):
    with visiting(browser, one_model) as page:
        card = page.locator(".card")
        for text, word in ((TOXIC, "Block"), (BENIGN, "Allow")):
            ask(page, text)
            expect(card.locator(".verdict strong")).to_have_text(word)
            expect(card.locator(".verdict")).to_contain_text(f"Toxic {toxicity(text):.2f}, threshold {THRESHOLD}.")
            expect(card.locator(".bands .here")).to_contain_text(word)
            widths = card.locator(".track").evaluate(
                "track => ['.fill', '.band'].map(name => track.querySelector(name).getBoundingClientRect().width"
                " / track.getBoundingClientRect().width)"
            )
            assert widths == pytest.approx([toxicity(text), THRESHOLD], abs=0.01)
        assert toxicity(TOXIC) > THRESHOLD > toxicity(BENIGN)


def test_a_score_that_rounds_to_the_threshold_is_shown_with_more_digits(browser, tmp_path):
    score = toxicity(TOXIC)  # 0.9427
    bundle = tiny_bundle(tmp_path / "near", decision={"policy": "best-f1", "threshold": 0.9431})
    with live_app({"near": bundle}) as address, visiting(browser, address) as page:
        ask(page, TOXIC)
        expect(page.locator(".verdict")).to_contain_text(f"Allow Toxic {score:.4f}, threshold 0.9431.")


def test_the_words_that_drove_it_are_marked_with_what_leaving_them_out_does(browser, one_model):
    with visiting(browser, one_model) as page:
        ask(page, TOXIC)
        rests = {"you": "absolute walnut", "absolute": "you walnut", "walnut": "you absolute"}
        influence = {word: log_odds(TOXIC) - log_odds(rest) for word, rest in rests.items()}
        assert page.locator("mark.towards").all_inner_texts() == ["walnut"]
        assert page.locator("mark.away").all_inner_texts() == ["you", "absolute"]
        listed = dict(line.split("\n") for line in page.locator(".drivers li").all_inner_texts())
        assert listed == {word: f"{value:+.2f}".replace("-", "−") for word, value in influence.items()}
        assert next(iter(listed)) == "walnut"  # the strongest
        lost = toxicity(TOXIC) - toxicity(rests["walnut"])
        assert page.locator("mark", has_text="walnut").get_attribute("title") == (
            f"{influence['walnut']:+.2f} in log-odds, {lost:+.2f} of the score"
        )
        note = page.locator(".words .note")
        expect(note).to_contain_text("in log-odds: +1.0 multiplies them by 2.7, as from a score of 0.50 to 0.73")
        expect(note).not_to_contain_text("saturated")
        style = "mark => getComputedStyle(mark)"
        lines = [
            page.locator(f"mark.{way}").first.evaluate(f"{style}.textDecorationStyle") for way in ("towards", "away")
        ]
        assert lines == ["solid", "dotted"]  # not by colour alone


def test_of_a_saturated_score_the_words_are_still_told_apart(browser, tmp_path):
    """At a temperature of 1/10 the score is 1 to twelve places, and stays it without a plain word."""
    bundle = tempered(tmp_path / "sharp", 0.1)
    with live_app({"sharp": bundle}) as address, visiting(browser, address) as page:
        ask(page, TOXIC)
        assert page.locator(".drivers li").all_inner_texts() == ["walnut\n+33.00", "you\n−9.50", "absolute\n−9.50"]
        shares = page.locator("mark").evaluate_all("marks => marks.map(mark => mark.style.getPropertyValue('--share'))")
        assert shares == ["1.000"] * 3  # the strongest doesn't make the others pale
        expect(page.locator(".words .note")).to_contain_text("The score is saturated")


def test_words_that_do_nothing_are_not_marked(browser, tmp_path):
    with live_app({"mild": tempered(tmp_path / "mild", 40.0)}) as address, visiting(browser, address) as page:
        ask(page, TOXIC)  # 3.3 / 40 at most
        assert page.locator("mark").count() == 0
        expect(page.locator(".words")).to_have_text("No single word moves the score by 0.1 or more in log-odds.")


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("😀👩‍👧 e\u0301 <i>\n (walnut)! 😀 \u202efool\u202c", ["😀👩‍👧", "e\u0301", "<i>", "walnut", "😀", "fool"]),
        ("ca\u0327fe\u0301s &amp; שלום\u200f fool", ["ca\u0327fe\u0301s", "&amp;", "שלום", "fool"]),
        ("😀 👩‍👧\n👍🏽 fool", ["😀", "👩‍👧", "👍🏽", "fool"]),
    ],
)
def test_words_are_marked_in_their_places_whatever_they_are_and_stands_before_them(browser, one_model, text, marked):
    with visiting(browser, one_model) as page:
        ask(page, text)
        found = page.locator(".marked").evaluate("""(element) => [...element.childNodes].map(
            node => [node.nodeName, node.textContent])""")
        assert "".join(part for _, part in found) == text
        assert [part for name, part in found if name == "MARK"] == marked
        assert page.locator(".marked i").count() == 0


def test_markup_in_a_comment_is_text(browser, two_models):
    hostile = "<script>alert(1)</script> <img src=x onerror=alert(2)> walnut"
    with visiting(browser, two_models) as page:
        ask(page, hostile)
        for shown in page.locator(".marked").all():
            assert shown.evaluate("element => element.textContent") == hostile
        assert page.locator("main script, main img").count() == 0


def test_models_stand_side_by_side_and_it_says_when_they_disagree(browser, two_models):
    with visiting(browser, two_models) as page:
        ask(page, BETWEEN)
        cards = page.locator(".card")
        assert cards.locator(".verdict strong").all_inner_texts() == ["Block", "Review"]
        assert 0.62 < toxicity(BETWEEN) < 0.9
        expect(page.locator("#summary")).to_have_text(
            "The models disagree: odd blocks this; careful sends it to review."
        )
        boxes = [card.bounding_box() for card in cards.all()]
        assert boxes[0]["y"] == boxes[1]["y"]
        assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
        ask(page, TOXIC)
        expect(page.locator("#summary")).to_have_text("Both models block this.")


def test_a_model_without_a_positive_class_answers_with_its_label_and_a_bar_for_each(browser, tmp_path):
    bundle = tiny_bundle(tmp_path / "topics", labels=["sport", "food", "weather"])
    with live_app({"topics": bundle}) as address, visiting(browser, address) as page:
        ask(page, TOXIC)
        score = probabilities_of(TOXIC, classes=3)[1]
        expect(page.locator(".verdict strong")).to_have_text("Food")
        expect(page.locator(".verdict")).to_contain_text(f"Food {score:.2f}, the likeliest of 3 classes.")
        shown = page.locator(".classes li").all_inner_texts()
        assert [text.split("\n")[0] for text in shown] == ["Food", "Sport", "Weather"]


def test_a_multi_label_model_decides_by_the_judged_label_and_shows_a_bar_for_each(browser, tmp_path):
    insult = Decision(policy="best-f1", threshold=0.7)
    decisions = label_decisions("toxic", "insult", "threat", insult=insult)
    bundle = tiny_bundle(tmp_path / "several", decisions=decisions)
    with live_app({"several": bundle}) as address, visiting(browser, address) as page:
        card = page.locator(".card")
        for text, word, more in (
            (TOXIC, "Block", ""),  # sigmoids of 2, 0.8 (less than the insult's threshold) and -0.4
            ("fool", "Block", " Other labels: insult and threat."),  # of 16/3 each
            (BENIGN, "Allow", ""),
        ):
            ask(page, text)
            toxic, *others = label_probabilities_of(text, decisions)
            expect(card.locator(".verdict strong")).to_have_text(word)
            expect(card.locator(".verdict span")).to_have_text(f"Toxic {toxic:.2f}, threshold 0.50.{more}")
            rows = dict(row.split("\n") for row in card.locator(".classes li").all_inner_texts())
            scores = dict(zip(("Toxic", "Insult", "Threat"), (toxic, *others), strict=True))
            assert rows == {label: f"{score:.2f}" for label, score in scores.items()}
            flagged = card.locator(".classes .here .class").all_inner_texts()
            assert flagged == [name for name in scores if scores[name] > (0.7 if name == "Insult" else 0.5)]
        cuts = card.locator(".classes .cut").evaluate_all("cuts => cuts.map(cut => cut.style.left)")
        assert sorted(cuts) == ["50%", "50%", "70%"]
        facts = card.locator(".facts dl").inner_text()
        assert "by the label toxic: threshold 0.50" in facts
        assert "toxic: from 0.50\ninsult: from 0.70\nthreat: from 0.50" in facts


WATCH_FETCH = """
() => {
  const plain = window.fetch;
  window.givenUp = [];
  window.fetch = (path, options) => {
    let done = false;
    options.signal?.addEventListener("abort", () => done || window.givenUp.push(JSON.parse(options.body)));
    return plain(path, options).finally(() => { done = true; });
  };
}
"""


def never_answer(page: Any, text: str, *, explain: bool = False) -> None:
    """Let a request of this text hang; all others reach the server."""
    asked = {"texts": [text], "model": "odd", "explain": explain}
    page.route("**/v1/classify", lambda route: route.request.post_data_json == asked or route.continue_())


def test_an_old_answer_is_dimmed_and_never_passes_for_the_new_ones(browser, one_model):
    with visiting(browser, one_model) as page:
        ask(page, TOXIC)
        page.evaluate(WATCH_FETCH)
        never_answer(page, "hello")
        field, card = page.get_by_label("A comment"), page.locator(".card")
        with page.expect_request("**/v1/classify"):
            field.fill("hello")
        expect(card).to_have_attribute("data-state", "waiting")
        expect(card.locator(".answer")).to_have_attribute("aria-busy", "true")
        expect(card.locator(".answer")).to_have_css("opacity", "0.45")
        expect(card.locator(".marked")).to_have_text(TOXIC)  # the text that the old answer is about
        assert page.evaluate("givenUp") == []
        ask(page, BENIGN)
        expect(card.locator(".verdict strong")).to_have_text("Allow")
        expect(card.locator(".marked")).to_have_text(BENIGN)
        assert [request["texts"] for request in page.evaluate("givenUp")] == [["hello"]]


def test_leaving_words_out_is_cancelled_when_the_comment_changes(browser, one_model):
    with visiting(browser, one_model) as page:
        page.evaluate(WATCH_FETCH)
        never_answer(page, TOXIC, explain=True)
        page.get_by_label("A comment").fill(TOXIC)
        with page.expect_request(lambda request: "true" in (request.post_data or "")):
            expect(page.locator(".verdict strong")).to_have_text("Block")
        expect(page.locator(".words")).to_have_text("Leaving out each word in turn …")
        ask(page, BENIGN)
        given_up = [(request["texts"], request["explain"]) for request in page.evaluate("givenUp")]
        assert given_up == [([TOXIC], True)]
        assert page.locator(".marked").inner_text() == BENIGN


SEEN = """
() => {
  window.seen = [];
  const card = document.querySelector('.card');
  const look = () => window.seen.push([card.dataset.state, card.querySelector('.marked')?.textContent]);
  new MutationObserver(look).observe(card, {attributes: true, subtree: true, childList: true});
}
"""


def test_typing_goes_on_while_words_are_left_out_and_the_newer_answer_wins(browser, page_bundles):
    """The model answers nothing about texts that lack a word before it is let to."""
    may_answer = threading.Event()

    def slow(known: Catalogue) -> Catalogue:
        (model,) = known.values()

        def scorer(texts: Sequence[str]) -> list[Prediction]:
            if any(text != text.strip() or "  " in text for text in texts):
                assert may_answer.wait(PATIENCE)
            return model.classifier(texts)

        return Catalogue([replace(model, batcher=Batcher(scorer, Limits()))])

    more = " 😀 cafe"
    with live_app({"odd": page_bundles["odd"]}, faked=slow) as address, visiting(browser, address) as page:
        field, card = page.get_by_label("A comment"), page.locator(".card")
        page.evaluate(SEEN)
        field.fill(TOXIC)
        expect(page.locator(".words")).to_have_text("Leaving out each word in turn …")
        field.press("End")
        page.keyboard.type(more)
        expect(field).to_have_value(TOXIC + more)
        expect(card).to_have_attribute("data-state", "waiting")
        may_answer.set()
        expect(card).to_have_attribute("data-state", "explained")
        assert page.locator(".marked").inner_text() == TOXIC + more
        explained = {text for state, text in page.evaluate("seen") if state == "explained"}
        assert explained == {TOXIC + more}


def explains(request: Any) -> list[bool]:
    return [request.post_data_json["explain"]] if request.method == "POST" else []


TYPED_AT_ONCE = """(box, text) => {
    for (const letter of text) {
        box.value += letter;
        box.dispatchEvent(new Event("input", { bubbles: true }));
    }
}"""
"""Letter by letter without a moment between, which no busy machine can draw out."""


def test_typing_quickly_asks_once(browser, one_model):
    with visiting(browser, one_model) as page:
        asked: list[bool] = []
        page.on("request", lambda request: asked.extend(explains(request)))
        page.get_by_label("A comment").evaluate(TYPED_AT_ONCE, TOXIC)
        expect(page.locator(".card")).to_have_attribute("data-state", "explained")
        assert asked == [False, True]


def test_a_screen_reader_hears_the_settled_verdict(browser, one_model, two_models):
    with visiting(browser, one_model) as page:
        heard = page.locator("#announcement")
        assert heard.get_attribute("role") == "status"
        ask(page, TOXIC)
        expect(heard).to_have_text(f"Block. Toxic {toxicity(TOXIC):.2f}, threshold 0.62.")
        assert page.locator("main").aria_snapshot().count("walnut") >= 2  # in the text, and in the list of words
    with visiting(browser, two_models) as page:
        ask(page, TOXIC)
        expect(page.locator("#announcement")).to_contain_text("Both models block this. odd: Block.")


def test_which_model_answered_is_named_and_its_metrics_stand_beside_its_behaviour(browser, two_models, page_bundles):
    from foreshot.runtime.bundle import read_bundle

    with visiting(browser, two_models) as page:
        odd, careful = page.locator(".card").all()
        checksum = read_bundle(page_bundles["odd"]).checksum
        expect(odd.locator("summary")).to_contain_text(f"odd · layers 1, 3, 5 · {checksum[:8]}")
        odd.locator("summary").click()
        facts = odd.locator("dl").inner_text().replace("\u00a0", " ")
        for words in (
            f"sha256:{checksum}",
            "odd, every weight trained, distilled from the teacher",
            "3: the teacher's 1, 3 and 5",
            "macro-F1 0.87; 2,457 rows",
            "81 % right (79 % to 83 %) of the 2,150 cases of the suite builtin",
            "implicit abuse (toxic): 25 % of 40 cases",
        ):
            assert words in facts
        assert "greeting" not in facts  # it is not among the weakest
        careful.locator("summary").click()
        assert "macro-F1" not in careful.locator("dl").inner_text()  # it has no behaviour to stand beside
        assert "no behavioural suite" in careful.locator("dl").inner_text()
        assert page.locator(".warning").count() == 0


def test_a_model_that_is_not_recommended_says_so_and_why(browser, tmp_path):
    origin = make_origin(verdict="conflict", verdict_reasons=["it misses <b>words</b> alone.", "another reason"])
    with (
        live_app({"lora": tiny_bundle(tmp_path / "lora", origin=origin)}) as address,
        visiting(browser, address) as page,
    ):
        expect(page.locator(".warning")).to_have_text(
            "The comparison's verdict: conflict. It misses <b>words</b> alone."
        )


def test_what_can_not_be_read_whole_is_said_in_words(browser, page_bundles):
    with (
        live_app({"odd": page_bundles["odd"]}, limits={"text_length": 60, "explained_words": 3}) as address,
        visiting(browser, address) as page,
    ):
        ask(page, "hello " * 6 + "hello hello")
        expect(page.locator(".words")).to_contain_text("Only the first 3 words were tried.")
        ask(page, "a " * 20)
        expect(page.locator(".why")).to_contain_text("Only the first 16 tokens were read.")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        field = page.get_by_label("A comment")
        field.fill("😀" * 60 + "ab")
        expect(page.locator("#comment-problem")).to_have_text("It is longer than 60 characters, by 2; shorten it.")
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(page.locator(".verdict strong")).to_have_text("Not asked")
        field.fill("😀" * 60)
        expect(page.locator(".card")).to_have_attribute("data-state", "explained")
        assert len(asked) == 2  # of the second text alone
        expect(page.locator("#comment-problem")).to_have_text("")


def test_examples_are_put_into_the_box(browser, two_models):
    with visiting(browser, two_models) as page:
        page.get_by_role("button", name="counter-speech").click()
        expect(page.get_by_label("A comment")).to_have_value(re.compile("is no argument"))
        expect(page.locator(".card:not([data-state=explained])")).to_have_count(0)
        page.get_by_role("button", name="Clear").click()
        expect(page.get_by_label("A comment")).to_have_value("")
        expect(page.locator(".verdict strong").first).to_have_text("No comment yet")
        expect(page.get_by_label("A comment")).to_be_focused()


def test_a_server_that_is_gone_or_busy_is_asked_again(browser, one_model):
    with visiting(browser, one_model, expected=("Failed to load",)) as page:
        page.route("**/v1/classify", lambda route: route.abort("connectionrefused"))
        page.get_by_label("A comment").fill(TOXIC)
        expect(page.locator("#notices")).to_contain_text("The server doesn't answer. Asking again")
        page.unroute("**/v1/classify")
        expect(page.locator(".card")).to_have_attribute("data-state", "explained")
        expect(page.locator("#notices")).to_be_empty()

        busy = {"status": 503, "headers": {"Retry-After": "1"}, "json": {"detail": "too many texts wait"}}
        page.route("**/v1/classify", lambda route: route.fulfill(**busy), times=1)
        page.get_by_label("A comment").fill(BENIGN)
        expect(page.locator("#notices")).to_contain_text("The server is busy: too many texts wait. Asking again in 1 s")
        expect(page.locator(".verdict strong")).to_have_text("Allow")
        expect(page.locator("#notices")).to_be_empty()


def test_an_error_of_the_server_is_shown_in_its_words(browser, one_model):
    with visiting(browser, one_model, expected=("Failed to load",)) as page:
        problem = {"status": 500, "json": {"detail": "something failed here; the server's log says what"}}
        page.route("**/v1/classify", lambda route: route.fulfill(**problem))
        page.get_by_label("A comment").fill(TOXIC)
        expect(page.locator(".verdict")).to_contain_text("No answer Something failed here; the server's log says what.")


def test_a_key_is_asked_for_where_the_server_wants_one_and_lasts_as_long_as_the_tab(browser, page_bundles):
    key, _ = new_key("tests")
    known = {"name": "tests", "sha256": hashlib.sha256(key.encode()).hexdigest()}
    with (
        live_app({"odd": page_bundles["odd"]}, keys=[known]) as address,
        visiting(browser, address, expected=("401",)) as page,
    ):
        field = page.get_by_label("API key")
        expect(field).to_be_focused()
        assert not page.get_by_label("A comment").is_visible()
        page.keyboard.type("a wrong one")
        page.keyboard.press("Enter")
        expect(page.locator("#key-problem")).to_have_text("This API key is not known.")
        field.fill(key)
        with page.expect_request("**/v1/models") as request:
            page.get_by_role("button", name="Use this key").click()
        assert request.value.headers["x-api-key"] == key
        ask(page, TOXIC)
        expect(page.locator(".verdict strong")).to_have_text("Block")
        assert not page.locator("#key-form").is_visible()
        page.reload()
        expect(page.get_by_label("A comment")).to_be_visible()
        assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 1]
