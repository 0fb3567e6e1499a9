"""The docstrings of the public functions: every parameter is described, and the examples run."""

import doctest
import inspect
import re

import pytest

import bids_rsa
from bids_rsa import plotting

FUNCTIONS = {
    name: getattr(module, name)
    for module in (bids_rsa, plotting)
    for name in module.__all__
    if callable(getattr(module, name))
}
# those of the others are pictures, in docs/examples
WITH_EXAMPLES = [name for name in FUNCTIONS if not name.startswith("plot_")]


def section(function, title):
    """The lines of a section of a numpydoc docstring."""
    text = inspect.cleandoc(function.__doc__)
    found = re.search(rf"^{title}\n-+\n(.*?)(?=^\S[^\n]*\n-+$|\Z)", text, re.S | re.M)
    return found[1].splitlines() if found else []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_sections_describe_the_parameters_in_their_order_and_what_is_returned(name):
    function = FUNCTIONS[name]
    lines = section(function, "Parameters")
    entries = [line.partition(" :")[0] for line in lines if line and not line.startswith(" ")]
    documented = [one.strip("* ") for entry in entries for one in entry.split(",")]
    assert documented == list(inspect.signature(function).parameters)
    for title in ("Parameters", "Returns", "Raises"):
        described = [line for line in section(function, title) if line.startswith("    ")]
        assert described, title


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_examples_run(name):
    (found,) = doctest.DocTestFinder(recurse=False).find(FUNCTIONS[name], name, globs={})
    assert found.examples
    told = []
    doctest.DocTestRunner().run(found, out=told.append)
    assert not told, "".join(told)
