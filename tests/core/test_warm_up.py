"""Images come with every kernel compiled: the warm-up uses all that Python calls."""

import importlib
import pkgutil

from numba.core.dispatcher import Dispatcher

import bids_rsa.core
from bids_rsa.core.warm_up import warm_up


def functions():
    """All compiled functions of the core, pieces of kernels included."""
    for module in pkgutil.walk_packages(bids_rsa.core.__path__, "bids_rsa.core."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, Dispatcher) and value.py_func.__module__ == module.name:
                yield value


def test_the_warm_up_uses_every_kernel():
    found = list(functions())
    called = {
        id(caller.py_func.__globals__.get(name))
        for caller in found
        for name in caller.py_func.__code__.co_names
    }
    by_python = [
        function
        for function in found
        if id(function) not in called and function.targetoptions.get("inline") != "always"
    ]
    assert len(by_python) > 30
    warm_up()
    assert [function.py_func.__name__ for function in by_python if not function.signatures] == []
