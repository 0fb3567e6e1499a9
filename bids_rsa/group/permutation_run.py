"""The permutations of a test: prepared, run in blocks that are kept, and gone on with."""

import hashlib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bids_rsa._version import __version__
from bids_rsa.core.inference.adjacency import Adjacency
from bids_rsa.core.inference.permute import Null, permutation_null
from bids_rsa.core.inference.plan import Plan, prepare_test
from bids_rsa.core.inference.relabel import Relabelings, draw_relabelings, smallest_p
from bids_rsa.errors import ContentError
from bids_rsa.group.designs import design_of
from bids_rsa.group.load import GroupScores
from bids_rsa.group.records import GroupTest
from bids_rsa.outputs.whole_files import replacing

COUNTS = "counts"
BLOCK_BYTES = 2**29  # voxels x draws x 8 between two saved states: half a minute or less


@dataclass(frozen=True, eq=False)
class Prepared:
    """A test that is ready for its permutations."""

    plan: Plan
    relabelings: Relabelings
    adjacency: Adjacency
    cluster_threshold: float

    @property
    def smallest_p(self) -> float:
        """The smallest possible voxel-wise p."""
        return smallest_p(self.plan.design, self.relabelings, self.plan.two_sided)


def prepare_group_test(test: GroupTest, scores: GroupScores) -> Prepared:
    """Prepare a test.

    Raises
    ------
    ContentError
        Scores that cannot be tested.
    """
    group = test.settings
    design = design_of(test)
    try:
        # with a coverage below 1 every map is turned into z, so that maps can be compared
        as_z = group.coverage < 1
        plan = prepare_test(
            scores.scores,
            design,
            test.tail,  # type: ignore[arg-type]
            as_z,
            scores.resolution,
        )
    except ValueError as error:
        raise ContentError(f"{test.title}: {error}.") from None
    return Prepared(
        plan=plan,
        relabelings=draw_relabelings(design, group.n_permutations, group.random_seed),
        adjacency=scores.space.adjacency(scores.mask, group.connectivity),
        cluster_threshold=plan.cluster_threshold(group.cluster_p),
    )


def run_permutations(
    ready: Prepared,
    state_dir: Path,
    n_threads: int = 1,
    on_progress: Callable[[int], None] | None = None,
) -> Null:
    """Run the permutations of a test, from where an earlier run was stopped.

    Parameters
    ----------
    ready : Prepared
    state_dir : Path
        Where the state is kept after each block, under a name that stands for the whole test.
    n_threads : int
    on_progress : callable, optional
        Takes the number of draws finished since the last call.

    Returns
    -------
    Null
        The same bytes however often the run was stopped.
    """
    path = state_dir / f"{_identity(ready)}.npz"
    state = read_null(path)
    done = state.n_done if state else 0

    def keep(so_far: Null) -> None:
        """Keep the state, and tell how far it is."""
        nonlocal done
        save_null(so_far, path)
        if on_progress is not None:
            on_progress(so_far.n_done - done)
        done = so_far.n_done

    if on_progress is not None and done:
        on_progress(done)
    return permutation_null(
        ready.plan,
        ready.relabelings,
        ready.adjacency,
        ready.cluster_threshold,
        n_threads=n_threads,
        block_size=_block_size(ready),
        state=state,
        on_block=keep,
    )


def _block_size(ready: Prepared) -> int:
    """Give the draws between two saved states."""
    return int(np.clip(BLOCK_BYTES // (8 * ready.plan.n_voxels), 64, 512))


def _identity(ready: Prepared) -> str:
    """Hash all that the null distribution depends on."""
    plan = ready.plan
    text = f"{__version__} {plan.tail} {plan.as_z} {plan.design.welch} {ready.cluster_threshold!r}"
    found = hashlib.sha256(text.encode())
    on = ready.adjacency
    arrays = (plan.unit, plan.rows, plan.df, plan.least, ready.relabelings.values)
    masks = [own for own, _ in on.parts]
    for array in (*arrays, on.starts, on.neighbors, on.sizes, *masks):
        found.update(str((array.shape, array.dtype.str)).encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()[:32]


def save_null(null: Null, path: Path) -> None:
    """Save a null distribution under its final name only when it is whole."""
    with replacing(path) as beside, beside.open("wb") as file:
        arrays: dict[str, Any] = {COUNTS: null.counts, **null.maxima}
        np.savez(file, **arrays)


def read_null(path: Path) -> Null | None:
    """Read what `save_null` saved; None where nothing (whole) is."""
    try:
        with np.load(path) as arrays:
            maxima = {name: arrays[name] for name in arrays.files if name != COUNTS}
            return Null(maxima, arrays[COUNTS])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
