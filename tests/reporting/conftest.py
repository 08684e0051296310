"""Shared by the tests of the reports."""

import pytest
from results_factory import make_hostile_results

from foreshot.results import Results


@pytest.fixture(scope="session")
def hostile_results() -> Results:
    """Results whose every text is hostile."""
    return make_hostile_results()
