"""A test's design, its observed maps and its permutations, gone on with where they stopped."""

import hashlib
import json
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bids_rsa.core.inference import (
    Design,
    Null,
    Observed,
    Plan,
    Relabelings,
    draw_relabelings,
    neighbor_table,
    observe,
    one_sample_design,
    permutation_null,
    prepare_test,
    slope_design,
    two_sample_design,
)
from bids_rsa.errors import ContentError
from bids_rsa.group_level.records import GroupTest
from bids_rsa.group_level.scores import GroupScores
from bids_rsa.images import replacing

SECONDS_BETWEEN_CHECKPOINTS = 2.0


@dataclass(frozen=True, eq=False)
class Prepared:
    """A test ready to run: everything that does not depend on the draws."""

    plan: Plan
    relabelings: Relabelings
    neighbors: np.ndarray
    observed: Observed


def design_of(test: GroupTest) -> Design:
    """Make the design of a test.

    Raises
    ------
    ContentError
        Groups and covariates that cannot be told apart in these subjects.
    """
    columns = np.array(test.covariate_values) if test.covariates else None
    try:
        if test.kind == "two-sample":
            return two_sample_design(test.in_first_group, columns)
        if test.kind == "slope":
            return slope_design(test.tested_values, columns)
        return one_sample_design(len(test.subjects), columns)
    except ValueError as error:
        named = ", ".join((*test.covariates, test.tested_covariate)).strip(", ")
        raise ContentError(
            f"{test.words} cannot be tested: {error}. Variables: {named or 'none'}; "
            f"{len(test.subjects)} subjects.",
            "Use fewer covariates, or more subjects.",
        ) from None


def prepare(test: GroupTest, data: GroupScores) -> Prepared:
    """Prepare a test on its data."""
    group = test.settings
    design = design_of(test)
    plan = prepare_test(data.scores, design, test.tail, as_z=group.coverage < 1)  # type: ignore[arg-type]
    neighbors = neighbor_table(data.mask, group.connectivity)
    return Prepared(
        plan=plan,
        relabelings=draw_relabelings(design, group.n_permutations, group.random_seed),
        neighbors=neighbors,
        observed=observe(plan, neighbors, group.cluster_p),
    )


def run_permutations(
    ready: Prepared,
    checkpoint: Path,
    n_threads: int = 1,
    on_progress: Callable[[int], None] | None = None,
) -> Null:
    """Run a test's permutations, from the checkpoint on if it belongs to them.

    Parameters
    ----------
    ready : Prepared
        The test.
    checkpoint : Path
        Where the state is kept between blocks; whole or absent, never half.
    n_threads : int
        Threads.
    on_progress : callable, optional
        Called with the number of new draws after each block.

    Returns
    -------
    Null
    """
    key = fingerprint(ready)
    state = load_state(checkpoint, key)
    keeper = _Keeper(checkpoint, key, on_progress, state.n_done if state else 0)
    if state is not None and on_progress is not None:
        on_progress(state.n_done)
    return permutation_null(
        ready.plan,
        ready.relabelings,
        ready.neighbors,
        ready.observed.cluster_threshold,
        n_threads=n_threads,
        state=state,
        on_block=keeper,
    )


def fingerprint(ready: Prepared) -> str:
    """Hash all that the null distributions depend on."""
    sha = hashlib.sha256()
    plan = ready.plan
    for array in (plan.unit, plan.rows, plan.df, ready.relabelings.values, ready.neighbors):
        sha.update(str((array.shape, array.dtype)).encode())
        sha.update(np.ascontiguousarray(array).data)
    sha.update(json.dumps([plan.tail, plan.as_z, ready.observed.cluster_threshold]).encode())
    return sha.hexdigest()


@dataclass
class _Keeper:
    """Stores the state after blocks, and reports progress."""

    path: Path
    key: str
    on_progress: Callable[[int], None] | None
    n_done: int
    saved_at: float = field(default_factory=time.monotonic)

    def __call__(self, state: Null) -> None:
        """Take the state of a finished block."""
        if time.monotonic() - self.saved_at >= SECONDS_BETWEEN_CHECKPOINTS:
            save_state(self.path, self.key, state)
            self.saved_at = time.monotonic()
        if self.on_progress is not None:
            self.on_progress(state.n_done - self.n_done)
        self.n_done = state.n_done


def save_state(path: Path, key: str, state: Null) -> None:
    """Write a state whole, beside and then renamed."""
    with replacing(path) as beside, beside.open("wb") as file:
        np.savez(file, key=np.array(key), counts=state.counts, **state.maxima)  # type: ignore[arg-type]


def load_state(path: Path, key: str) -> Null | None:
    """Read a state; None where there is none, it is damaged, or of another test."""
    try:
        with np.load(path) as stored:
            if str(stored["key"]) != key:
                return None
            names = [name for name in stored.files if name not in ("key", "counts")]
            return Null({name: stored[name] for name in names}, stored["counts"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
