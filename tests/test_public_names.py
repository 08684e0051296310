"""What `import foreshot` gives."""

import importlib.metadata

import pytest

import foreshot


def test_every_public_name_resolves():
    for name in foreshot.__all__:
        assert getattr(foreshot, name) is not None
    assert set(foreshot.__all__) <= set(dir(foreshot))


def test_public_names_are_those_of_their_modules():
    from foreshot.comparison.compare import compare
    from foreshot.errors import ForeshotError
    from foreshot.runtime.classifier import load
    from foreshot.settings.experiment import Experiment

    assert foreshot.load is load
    assert foreshot.compare is compare
    assert foreshot.Experiment is Experiment
    assert foreshot.ForeshotError is ForeshotError
    assert foreshot.__version__ == importlib.metadata.version("foreshot")


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'contrast'"):
        foreshot.contrast  # noqa: B018
