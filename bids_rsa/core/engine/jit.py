"""How kernels are compiled: without the GIL, cached on disk, divisions as in numpy."""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

try:
    from bids_rsa.core.engine.kernel_cache import keep_compiled
except (ImportError, AttributeError):  # a numba without the private classes that the cache extends

    def keep_compiled(dispatcher: Any) -> None:
        """Keep nothing: kernels are compiled in each process."""


_Function = TypeVar("_Function", bound=Callable[..., object])
_BY_THE_BOOK: set[str] = set()
_SUMS = {"reassoc", "contract", "nsz"}


def _compile(function: _Function, fastmath: set[str]) -> _Function:
    """Compile when first called."""
    decorate = njit(nogil=True, error_model="numpy", fastmath=fastmath or False)
    dispatcher = decorate(function)
    keep_compiled(dispatcher)
    return dispatcher  # type: ignore[return-value]  # called like the function


def kernel(function: _Function) -> _Function:
    """Compile; floating point strictly by the book."""
    return _compile(function, _BY_THE_BOOK)


def summing_kernel(function: _Function) -> _Function:
    """Compile; sums may be taken in any order, so that they vectorise. NaN and inf still count."""
    return _compile(function, _SUMS)


def kernel_part(function: _Function) -> _Function:
    """Make a piece of kernels: compiled into each that uses it, never by itself."""
    return njit(inline="always")(function)  # type: ignore[return-value]
