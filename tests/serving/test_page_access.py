"""The page in a browser, for every eye, hand and ear: themes, the keyboard, what axe-core finds, narrow screens."""

import pytest

sync_api = pytest.importorskip("playwright.sync_api")

from live_app import live_app  # noqa: E402
from page_browser import AXE, ask, violations, visiting  # noqa: E402
from tiny_bundles import label_decisions, tiny_bundle  # noqa: E402

expect = sync_api.expect
TOXIC, BENIGN, BETWEEN = "you absolute walnut", "thank you", "you are kind absolute idiot"


@pytest.mark.parametrize(("system", "other"), [("light", "dark"), ("dark", "light")])
def test_the_theme_is_the_systems_until_it_is_switched_and_then_remembered(browser, one_model, system, other):
    grounds = {"light": "rgb(253, 253, 252)", "dark": "rgb(21, 24, 27)"}
    with visiting(browser, one_model, color_scheme=system) as page:
        body, switch = page.locator("body"), page.get_by_role("switch", name="Dark")
        expect(body).to_have_css("background-color", grounds[system])
        expect(switch).to_have_attribute("aria-checked", str(system == "dark").lower())
        switch.click()
        expect(body).to_have_css("background-color", grounds[other])
        expect(switch).to_have_attribute("aria-checked", str(other == "dark").lower())
        page.reload()
        expect(body).to_have_css("background-color", grounds[other])
        assert page.evaluate("({...localStorage})") == {"foreshot-theme": other}  # and nothing of what was typed
        switch.click()
        expect(body).to_have_css("background-color", grounds[system])
        assert page.evaluate("localStorage.length") == 0


def test_everything_can_be_done_by_keyboard(browser, one_model):
    with visiting(browser, one_model) as page:
        page.keyboard.press("Tab")
        skip = page.get_by_role("link", name="Skip to the comment")
        expect(skip).to_be_focused()
        assert skip.bounding_box()["x"] >= 0
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        expect(page.get_by_role("tab", name="One comment")).to_be_focused()
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("tab", name="Many comments")).to_be_focused()
        expect(page.get_by_label("Paste comments")).to_be_visible()
        page.keyboard.press("ArrowRight")  # round again
        page.keyboard.press("Tab")
        expect(page.get_by_label("A comment")).to_be_focused()
        page.keyboard.type(TOXIC)
        expect(page.locator(".card")).to_have_attribute("data-state", "explained")
        expect(page.locator(".verdict strong")).to_have_text("Block")
        page.keyboard.press("Shift+Tab")
        expect(page.get_by_role("button", name="Clear")).to_be_focused()
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        page.keyboard.press("Enter")
        expect(page.get_by_label("A comment")).to_be_focused()
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="an insult", exact=True)).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator(".verdict strong")).not_to_have_text("No comment yet")
        for _ in range(6):
            page.keyboard.press("Tab")
        expect(page.locator("summary")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("dl")).not_to_be_visible()


@pytest.mark.skipif(not AXE.exists(), reason="needs axe-core: npm ci --prefix tests/serving/npm")
@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
def test_axe_finds_nothing_serious(browser, two_models, scheme, width):
    options = {"color_scheme": scheme, "bypass_csp": True, "viewport": {"width": width, "height": 800}}
    with visiting(browser, two_models, reduced_motion="reduce", **options) as page:
        expect(page.locator(".card")).to_have_count(2)
        assert violations(page) == []
        ask(page, f"{BETWEEN}\n" * 40)  # longer than what is shown of it at once
        page.locator("summary").first.click()
        assert violations(page) == []
        page.get_by_label("A comment").fill("x" * 20_481)
        expect(page.locator("#comment-problem")).to_be_visible()
        assert violations(page) == []
        page.get_by_role("tab", name="Many comments").click()
        assert violations(page) == []
        page.get_by_label("Paste comments").fill("\n".join([TOXIC, BENIGN, BETWEEN, "y" * 20_481]))
        page.get_by_role("button", name="Score 4 comments").click()
        expect(page.locator("#many-announcement")).to_contain_text("3 comments scored, 1 not.")
        page.get_by_role("button", name="odd Score").click()
        assert violations(page) == []
    with visiting(browser, two_models, **options) as page:  # an axe that finds nothing anywhere proves nothing
        page.locator("#clear").evaluate("button => { button.textContent = ''; button.disabled = false; }")
        assert any("button-name" in found for found in violations(page))


@pytest.mark.skipif(not AXE.exists(), reason="needs axe-core: npm ci --prefix tests/serving/npm")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_where_a_model_has_several_labels(browser, tmp_path, scheme):
    bundle = tiny_bundle(tmp_path / "several", decisions=label_decisions("toxic", "insult", "threat"))
    options = {"color_scheme": scheme, "bypass_csp": True, "reduced_motion": "reduce"}
    with live_app({"several": bundle}) as address, visiting(browser, address, **options) as page:
        ask(page, TOXIC)
        expect(page.locator(".classes .here")).to_have_count(2)
        assert violations(page) == []


@pytest.mark.parametrize("width", [360, 390, 768])
def test_nothing_sticks_out_of_a_phone(browser, two_models, width):
    def overflow() -> int:
        return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")

    with visiting(browser, two_models, viewport={"width": width, "height": 740}, has_touch=True) as page:
        ask(page, f"{BETWEEN} {'walnut' * 40}")
        for summary in page.locator("summary").all():
            summary.click()
        assert overflow() <= 0
        page.get_by_role("tab", name="Many comments").click()
        page.get_by_label("Paste comments").fill(f"{BETWEEN}\n{'walnut' * 40}\n{TOXIC}")
        page.get_by_role("button", name="Score 3 comments").click()
        expect(page.locator("#many-announcement")).to_contain_text("Done")
        assert overflow() <= 0
        assert page.locator("#frame").evaluate("frame => frame.scrollWidth - frame.clientWidth") <= 0


def test_nothing_moves_for_who_asked_for_that(browser, one_model):
    with visiting(browser, one_model, reduced_motion="reduce") as page:
        expect(page.locator(".fill")).to_have_css("transition-property", "none")
