"""Where compiled kernels are kept, so that they are compiled once wherever the package lies.

numba by itself raises at import where it can write no cache, never reads a cache that it cannot
write to (a read-only image), and does not notice that a kernel in another module has changed.
"""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from numba.core import caching


class _CoreSources:
    """A source stamp of the whole core: its kernels call each other across modules."""

    def get_source_stamp(self) -> str:
        """Hash every module of the core, whichever of them the kernel stands in."""
        return _hash_of_core()


class _GivenFolder(_CoreSources, caching.UserProvidedCacheLocator):  # type: ignore[misc]
    """The folder in NUMBA_CACHE_DIR."""


class _BesideSources(_CoreSources, caching.InTreeCacheLocator):  # type: ignore[misc]
    """The folder beside the sources, where it can be written."""


class _Baked(_BesideSources):
    """The folder beside the sources, where it holds the kernel already and can only be read."""

    def ensure_cache_path(self) -> None:
        """Ask for nothing."""

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> "_Baked | None":
        """Take the folder where it holds this kernel."""
        folder = Path(py_file).parent / "__pycache__"
        line = py_func.__code__.co_firstlineno
        found = folder.glob(f"{Path(py_file).stem}.{py_func.__qualname__}-{line}.*.nbi")
        return cls(py_func, py_file) if any(found) else None  # type: ignore[no-untyped-call]


class _UserWide(_CoreSources, caching.UserWideCacheLocator):  # type: ignore[misc]
    """The user's own cache folder."""


class _Storage(caching.CompileResultCacheImpl):  # type: ignore[misc]
    """How a compiled kernel is stored, and where: the first of these that will do."""

    # numba's own attribute, as it declares it
    _locator_classes = [_GivenFolder, _BesideSources, _Baked, _UserWide]  # noqa: RUF012


class KernelCache(caching.FunctionCache):  # type: ignore[misc]
    """numba's cache of one function, in the first folder that will do.

    Raises
    ------
    RuntimeError
        There is no such folder.
    """

    _impl_class = _Storage

    def save_overload(self, sig: Any, data: Any) -> None:
        """Save a compiled kernel; where that fails (full, read-only) it serves this process."""
        try:
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]
        except OSError:
            return


def keep_compiled(dispatcher: Any) -> None:
    """Let numba keep what it compiles for a function, where it can be kept anywhere."""
    try:
        dispatcher._cache = KernelCache(dispatcher.py_func)  # type: ignore[no-untyped-call]
    except (RuntimeError, OSError):
        return


@lru_cache(maxsize=1)
def _hash_of_core() -> str:
    """Hash the sources of the core."""
    sources = sorted(Path(__file__).parent.rglob("*.py"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()
