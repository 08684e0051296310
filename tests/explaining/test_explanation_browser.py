"""The page of explanations in a browser: quiet, legible in light and dark, and as wide as a phone."""

from contrast import LOW_CONTRAST
from results_factory import HOSTILE

from foreshot.explaining.explain import Explanation, WordScore
from foreshot.explaining.page import LEVELS, explanation_page


def explained(text: str) -> Explanation:
    """Marks every character, at every strength, towards the label or away from it."""
    words = [
        WordScore(
            begin=at,
            end=at + 1,
            word=letter,
            score=0.0,
            log_odds_difference=(-1) ** at * (1 + at // 2 % LEVELS) / LEVELS,
        )
        for at, letter in enumerate(text)
    ]
    names = {"model": text, "decided": text, "label": text}
    counts = {"words": words, "words_total": len(words), "limited": False, "truncated": True}
    sure = {"probability": 1.0, "log_odds": 40.0, "saturated": True}
    return Explanation(method="leave-one-out", **sure, **names, **counts)


def test_the_page_is_quiet_and_legible_on_a_phone(browser, tmp_path):
    texts = [*HOSTILE, "x" * 400, "marked at every level"]
    path = tmp_path / "why.html"
    path.write_text(explanation_page([(text, explained(text)) for text in texts]), encoding="utf-8")
    for scheme, ground in (("light", "rgb(253, 253, 252)"), ("dark", "rgb(21, 24, 27)")):
        page = browser.new_page(color_scheme=scheme, viewport={"width": 360, "height": 740})
        events: list[str] = []
        page.on("console", lambda message: events.append(message.text))  # noqa: B023
        page.on("dialog", lambda dialog: (events.append(dialog.message), dialog.dismiss()))  # noqa: B023
        page.on("request", lambda request: events.append(request.url))  # noqa: B023
        page.goto(path.as_uri())
        assert events == [path.as_uri()]
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == ground
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert page.locator("mark").count() > 2 * LEVELS
        low, looked_at = page.evaluate(LOW_CONTRAST)
        assert low == []
        assert looked_at > 2 * LEVELS
        page.close()
