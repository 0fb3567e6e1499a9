"""Where compiled kernels are kept, so that they are compiled once wherever the package lies.

numba by itself raises at import where it can write no cache, never reads a cache that it cannot
write to (a read-only image), does not notice that a kernel in another module has changed, and
mixes kernels up when several processes fill one cache.
"""

import ast
import hashlib
import pickle
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from numba.core import caching

_CORE = "bids_rsa.core"
_FOLDER = Path(__file__).resolve().parents[1]


class _OwnSources:
    """A source stamp of a kernel's module and of all that it imports of the core.

    Kernels call each other across modules.
    """

    _py_file: str

    def get_source_stamp(self) -> str:
        """Hash the module that the kernel stands in, and those it depends on."""
        return _hash_of_sources(Path(self._py_file).resolve())


class _GivenFolder(_OwnSources, caching.UserProvidedCacheLocator):  # type: ignore[misc]
    """The folder in NUMBA_CACHE_DIR."""


class _BesideSources(_OwnSources, caching.InTreeCacheLocator):  # type: ignore[misc]
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


class _UserWide(_OwnSources, caching.UserWideCacheLocator):  # type: ignore[misc]
    """The user's own cache folder."""


class _Storage(caching.CompileResultCacheImpl):  # type: ignore[misc]
    """How a compiled kernel is stored, and where: the first of these that will do."""

    # numba's own attribute, as it declares it
    _locator_classes = [_GivenFolder, _BesideSources, _Baked, _UserWide]  # noqa: RUF012


class _Files(caching.IndexDataCacheFile):  # type: ignore[misc]
    """The files of one function: an index, and what was compiled for each signature and processor.

    numba numbers the latter, and names them in the index first: of two processes that write at
    once, the index of one may then name the file of the other, and a kernel is called with the
    code for other types or another processor. Here a name stands for its content.
    """

    def save(self, key: Any, data: Any) -> None:
        """Save what was compiled; of two that save at once the index may forget one."""
        known = self._load_index()
        content = repr((key, self._source_stamp, self._version))
        base = self._index_name.removesuffix(".nbi")
        name = f"{base}.{hashlib.sha256(content.encode()).hexdigest()[:16]}.nbc"
        self._save_data(name, data)  # type: ignore[no-untyped-call]
        self._save_index({**known, key: name})  # type: ignore[no-untyped-call]
        if not known:
            self._remove_all_but(base, name)

    def _load_index(self) -> dict[Any, Any]:
        """Read the index; one that names types which other sources had is as good as none."""
        try:
            known: dict[Any, Any] = super()._load_index()  # type: ignore[no-untyped-call]
        except (AttributeError, ImportError, EOFError, pickle.UnpicklingError):
            return {}
        return known

    def _remove_all_but(self, base: str, name: str) -> None:
        """Remove what was compiled from other sources; what another process misses it compiles."""
        for path in Path(self._cache_path).glob(f"{base}.*.nbc"):
            if path.name != name:
                with suppress(OSError):
                    path.unlink()


class KernelCache(caching.FunctionCache):  # type: ignore[misc]
    """numba's cache of one function, in the first folder that will do.

    Raises
    ------
    RuntimeError
        There is no such folder.
    """

    _impl_class = _Storage

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        self._cache_file = _Files(
            self._cache_path, self._impl.filename_base, self._impl.locator.get_source_stamp()
        )  # type: ignore[no-untyped-call]

    def save_overload(self, sig: Any, data: Any) -> None:
        """Save a compiled kernel; where that fails (full, read-only) it serves this process."""
        try:
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]
        except OSError:
            return


def keep_compiled(dispatcher: Any) -> None:
    """Let numba keep what it compiles for a function, where it can be kept anywhere."""
    try:
        dispatcher._cache = KernelCache(dispatcher.py_func)
    except (RuntimeError, OSError):
        return


@lru_cache
def _hash_of_sources(module: Path) -> str:
    """Hash a module of the core with all modules of the core that it imports, and those they do."""
    found, left = {module}, [module]
    while left:
        new = _imported(left.pop()) - found
        found |= new
        left += new
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sorted(found))).hexdigest()


@lru_cache
def _imported(module: Path) -> frozenset[Path]:
    """Find the modules of the core that a module imports anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    inside = (name.removeprefix(f"{_CORE}.") for name in names if name.startswith(f"{_CORE}."))
    stems = [_FOLDER.joinpath(*name.split(".")) for name in inside]
    files = [path for stem in stems for path in (stem.with_suffix(".py"), stem / "__init__.py")]
    return frozenset(path for path in files if path.is_file())
