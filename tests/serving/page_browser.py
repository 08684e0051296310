"""The page in a browser: its tabs watched, so that what goes wrong in one of them is seen."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright import sync_api
from tiny_bundles import tiny_bundle

from foreshot.results.base import Estimate
from foreshot.results.behaviour import CellResult, SuiteFacts, SuiteResult
from foreshot.results.decisions import Decision
from foreshot.runtime.bundle import Origin

AXE = Path(__file__).parent / "npm/node_modules/axe-core/axe.min.js"
THRESHOLD, REVIEW = 0.62, 0.3


@contextlib.contextmanager
def visiting(browser: Any, address: str, *, expected: tuple[str, ...] = (), **options: Any) -> Iterator[Any]:
    """The page, in a context of these options, once it knows its models or asks for a key.

    At the end nothing may have been asked of another host, no dialog opened and nothing complained of in the console,
    but for complaints with one of the `expected` words.
    """
    wrong: list[str] = []
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    page = context.new_page()
    page.on("console", lambda message: wrong.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    here = urlsplit(address).netloc
    page.on("request", lambda request: None if _is_local(request.url, here) else wrong.append(request.url))
    page.goto(f"{address}/")
    try:
        sync_api.expect(page.locator("#parts, #key-form").filter(visible=True)).to_have_count(1)
        yield page
        assert [text for text in wrong if not any(word in text for word in expected)] == []
    finally:
        context.close()


def _is_local(url: str, here: str) -> bool:
    parts = urlsplit(url)
    return parts.netloc == here or parts.scheme in {"blob", "data"}


def make_bundles(folder: Path) -> dict[str, Path]:
    """`odd` blocks from 0.62 on and has a history; `careful` would have a person look from 0.3 to 0.9."""
    odd = tiny_bundle(
        folder / "odd",
        decision=Decision(policy="best-f1", threshold=THRESHOLD),
        origin=make_origin(),
        metrics={"macro_f1": 0.87},
        metrics_rows=2457,
        suite=SuiteFacts(name="builtin", cases=2150, class_counts={}, pairs=0, fingerprint="0" * 16),
        suite_result=make_suite_result(),
    )
    review = Decision(policy="review:recall>=0.95,fpr<=0.02", threshold=0.9, review_threshold=REVIEW)
    return {"odd": odd, "careful": tiny_bundle(folder / "careful", decision=review)}


def make_origin(**overrides: Any) -> Origin:
    recipe = {"name": "odd", "layers": "odd", "tuning": "full", "objective": "distil", "init": "teacher"}
    values = {
        "model": "odd",
        "architecture": "bert",
        "layers": 3,
        "parameters": 17_000_000,
        "fingerprint": "0" * 16,
        "recipe": recipe,
        "layer_map": [1, 3, 5],
        "verdict": "recommended",
    }
    return Origin(**{**values, **overrides})


def make_suite_result() -> SuiteResult:
    cells = {"implicit abuse": 0.25, "leet": 0.5, "threat": 0.75, "insult": 0.8, "greeting": 0.97}
    return SuiteResult(
        model="odd",
        accuracy=Estimate(value=0.81, low=0.79, high=0.83),
        by_label={"toxic": Estimate(value=0.85, low=0.8, high=0.9)},
        functionalities=[
            CellResult(name=name, label="toxic", cases=40, accuracy=Estimate(value=share, low=0, high=1))
            for name, share in cells.items()
        ],
        groups=[],
        pairs_right=None,
    )


def ask(page: Any, text: str) -> None:
    """Type a comment and wait until every model has said why."""
    page.get_by_label("A comment").fill(text)
    sync_api.expect(page.locator(".card:not([data-state=explained])")).to_have_count(0)


def violations(page: Any) -> list[str]:
    """What axe-core finds wrong with the page as it stands, serious and critical; needs a context with bypass_csp."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document).then(results => results.violations)")
    return [
        f"{violation['id']}: {node['html'][:200]}"
        for violation in found
        if violation["impact"] in {"serious", "critical"}
        for node in violation["nodes"]
    ]
