"""Compiled kernels are kept where they can be, read where they can only be read."""

import os
import shutil
import subprocess
import sys
import types
from pathlib import Path
from typing import NamedTuple

import numba
import pytest
from numba.core.registry import cpu_target

import bids_rsa
from bids_rsa.core.engine.kernel_cache import KernelCache

PACKAGE = Path(bids_rsa.__file__).parent

# root without its privileges, who would be let in everywhere
PLAIN = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"] if os.getuid() == 0 else []
PROBE = """
import numpy as np
from bids_rsa.core.comparison import plans as comparison
from bids_rsa.core.engine.jit import kernel
rdms = np.random.default_rng(0).random((3, 10))
out = np.empty((1, 3))
comparison.prepare(rdms[:1], "pearson").score(rdms, out)
assert abs(out[0, 0] - 1) < 1e-12
from numba.core.dispatcher import Dispatcher
import gc
ours = [d for d in gc.get_objects() if isinstance(d, Dispatcher)
        and d.py_func.__module__.startswith("bids_rsa.")]
hits = sum(sum(d.stats.cache_hits.values()) for d in ours)
misses = sum(sum(d.stats.cache_misses.values()) for d in ours)
print("hits", hits, "misses", misses)
"""


@pytest.fixture
def installed(tmp_path_factory) -> Path:
    """A copy of the package without any cache."""
    root = tmp_path_factory.mktemp("installed")
    shutil.copytree(PACKAGE, root / "bids_rsa", ignore=shutil.ignore_patterns("__pycache__"))
    return root


def probe(root: Path, home: Path, **environ: str) -> tuple[int, int]:
    """Kernels read from a cache, and kernels compiled, in a new process."""
    base = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA")}
    environ = {**base, "HOME": str(home), "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1",
               **environ}  # fmt: skip
    environ.pop("XDG_CACHE_HOME", None)
    answer = subprocess.run(
        [*PLAIN, sys.executable, "-W", "error", "-c", PROBE],
        env=environ, capture_output=True, text=True, cwd=root,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""
    _, hits, _, misses = answer.stdout.split()
    return int(hits), int(misses)


def lock(root: Path) -> None:
    """Take away every right to write."""
    for folder in [root, *root.rglob("*")]:
        folder.chmod(0o555 if folder.is_dir() else 0o444)


def test_beside_the_sources_where_they_can_be_written(installed):
    nowhere = Path("/nonexistent")
    assert probe(installed, nowhere)[0] == 0
    hits, misses = probe(installed, nowhere)
    assert hits > 0
    assert misses == 0


def test_a_cache_that_was_baked_is_read_from_a_read_only_folder(installed, tmp_path):
    probe(installed, Path("/nonexistent"))
    lock(installed)
    home = tmp_path / "home"
    home.mkdir()
    for there in (home, Path("/nonexistent")):
        hits, misses = probe(installed, there)
        assert hits > 0
        assert misses == 0


def test_a_read_only_folder_without_a_cache_falls_back_to_the_users(installed, tmp_path):
    lock(installed)
    home = tmp_path / "home"
    home.mkdir()
    assert probe(installed, home)[0] == 0
    hits, misses = probe(installed, home)
    assert hits > 0
    assert misses == 0


def test_where_nothing_can_be_written_it_works_without_a_cache(installed):
    lock(installed)
    assert probe(installed, Path("/nonexistent"))[0] == 0


def change(installed: Path, module: str) -> None:
    """Change a module of the core without changing what it does."""
    path = installed / "bids_rsa" / "core" / module
    path.write_text(path.read_text() + "\n# changed\n")


def test_a_change_in_a_module_that_a_kernel_depends_on_is_noticed(installed):
    probe(installed, Path("/nonexistent"))
    change(installed, "engine/jit.py")
    hits, misses = probe(installed, Path("/nonexistent"))
    assert hits == 0
    assert misses > 0


def test_a_change_in_a_module_that_no_kernel_depends_on_compiles_nothing(installed):
    probe(installed, Path("/nonexistent"))
    change(installed, "searchlight.py")
    hits, misses = probe(installed, Path("/nonexistent"))
    assert hits > 0
    assert misses == 0


def twice(x):
    return x + x


def test_two_processes_that_fill_the_cache_at_once_mix_nothing_up(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    compiled = numba.njit([numba.int64(numba.int64), numba.float64(numba.float64)])(twice)
    signatures = list(compiled.overloads)
    one, other = KernelCache(twice), KernelCache(twice)
    save_data = one._cache_file._save_data

    def meanwhile(name, data):
        other.save_overload(signatures[1], compiled.overloads[signatures[1]])
        save_data(name, data)

    # the other has looked at the index before the first has written it, and writes before it too
    monkeypatch.setattr(other._cache_file, "_load_index", dict)
    monkeypatch.setattr(one._cache_file, "_save_data", meanwhile)
    one.save_overload(signatures[0], compiled.overloads[signatures[0]])
    target = cpu_target.target_context
    loaded = {args: KernelCache(twice).load_overload(args, target) for args in signatures}
    assert any(loaded.values())
    for args, kernel in loaded.items():
        assert kernel is None or kernel.signature.args == args


def test_what_was_compiled_from_other_sources_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    compiled = numba.njit([numba.int64(numba.int64)])(twice)
    for stamp in ("before", "after"):
        cache = KernelCache(twice)
        cache._cache_file._source_stamp = stamp
        cache.save_overload(compiled.signatures[0], compiled.overloads[compiled.signatures[0]])
        assert len(list(tmp_path.rglob("*.nbc"))) == 1


def test_an_index_of_types_that_no_longer_exist_is_read_as_empty(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    compiled = numba.njit([numba.int64(numba.int64)])(twice)
    signature = compiled.signatures[0]

    class Former(NamedTuple):
        """What a module had before an update."""

        value: int

    former = types.ModuleType("former")
    former.Former, Former.__module__, Former.__qualname__ = Former, "former", "Former"
    monkeypatch.setitem(sys.modules, "former", former)
    before = KernelCache(twice)._cache_file
    before._save_index({Former(1): "former.nbc"})
    assert before._load_index() == {Former(1): "former.nbc"}
    del former.Former
    target = cpu_target.target_context
    assert KernelCache(twice).load_overload(signature, target) is None
    KernelCache(twice).save_overload(signature, compiled.overloads[signature])
    assert KernelCache(twice).load_overload(signature, target).signature.args == signature
