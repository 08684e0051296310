"""Shared by the tests of the reports."""

import pytest
from markupsafe import Markup
from results_factory import make_hostile_results, make_results

from foreshot.reporting.report import html_report
from foreshot.results.results import Results


@pytest.fixture(autouse=True)
def drawn_once(known_drawings: dict[bytes, Markup]) -> None:
    """Most results of these tests differ in other things than their figures."""


@pytest.fixture(scope="session")
def hostile_results() -> Results:
    """Results whose every text is hostile."""
    return make_hostile_results()


@pytest.fixture(scope="session")
def usual_page(known_drawings: dict[bytes, Markup]) -> str:
    """The page of the usual results, which takes seconds to draw."""
    return html_report(make_results())


@pytest.fixture(scope="session")
def hostile_page(hostile_results: Results, known_drawings: dict[bytes, Markup]) -> str:
    """The page of the hostile results."""
    return html_report(hostile_results)
