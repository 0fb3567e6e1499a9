"""A participant whose RDMs are computed again for a noise ceiling, and how its images are read."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.table import needs_noise
from bids_rsa.core.noise.model import NoiseModel, no_noise
from bids_rsa.core.side_by_side import PatternSet
from bids_rsa.errors import ContentError
from bids_rsa.estimation.names import residuals_paths
from bids_rsa.group.ceilings import CeilingSource
from bids_rsa.outputs.derivatives import is_complete
from bids_rsa.outputs.estimates import PlannedRun
from bids_rsa.outputs.maps import metric_parameters
from bids_rsa.patterns.noise_samples import noise_of
from bids_rsa.patterns.stacked import StackedPatterns
from bids_rsa.patterns.stacking import stack_analysis
from bids_rsa.records import Analysis
from bids_rsa.settings import RsaSettings
from bids_rsa.spaces.ribbon import RibbonSpace
from bids_rsa.words import few

Floats = NDArray[np.float64]
# makes a progress bar of so many voxels, of a run with this name
Progress = Callable[[int, str], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True, eq=False)
class CeilingSubject:
    """A participant's analysis, as it made the maps that are tested.

    Attributes
    ----------
    analysis : Analysis
    rsa : RsaSettings
    models : mapping of str to (n_cells,) float64
        Condensed, in the order of the analysis's conditions.
    covariance : (n_conditions, n_conditions) float64 or None
        Of the condition estimates, for whitened comparisons.
    root : str
        The dataset of the maps, which contains what the app estimated from BOLD.
    runs : tuple of PlannedRun
        The runs that images were estimated from.
    """

    analysis: Analysis
    rsa: RsaSettings
    models: Mapping[str, Floats] = field(repr=False)
    covariance: Floats | None
    root: str
    runs: tuple[PlannedRun, ...] = ()


def check_comparable(subjects: Sequence[CeilingSubject], models: Collection[str]) -> None:
    """Check that the participants' RDMs can be averaged and compared in one way.

    Parameters
    ----------
    subjects : sequence of CeilingSubject
    models : collection of str
        Names of the models tested.

    Raises
    ------
    ContentError
        Participants whose conditions have another order, who leave out other cells, or whose
        condition estimates have another covariance.
    """

    def in_order(one: CeilingSubject, other: CeilingSubject) -> bool:
        return one.analysis.conditions == other.analysis.conditions

    def of_cells(one: CeilingSubject, other: CeilingSubject) -> bool:
        pairs = [(one.models[name], other.models[name]) for name in models]
        return all(np.array_equal(np.isnan(own), np.isnan(its)) for own, its in pairs)

    def of_covariance(one: CeilingSubject, other: CeilingSubject) -> bool:
        if one.covariance is None or other.covariance is None:  # no comparison depends on it
            return True
        own, its = (matrix / np.trace(matrix) for matrix in (one.covariance, other.covariance))
        return np.allclose(own, its, rtol=1e-6, atol=1e-9)

    for alike, what, remedy in (
        (in_order, "the order of conditions", "give the conditions in one order"),
        (of_cells, "the cells left out (--exclude-within run)", "omit --exclude-within"),
        (
            of_covariance,
            "the covariance of the condition estimates (--condition-covariance design)",
            "give one table of covariances for all",
        ),
    ):
        unlike = [one.analysis.subject for one in subjects if not alike(one, subjects[0])]
        if unlike:
            raise ContentError(
                "--noise-ceiling compares the RDM of each participant with a mean RDM, and "
                f"{what} must be the same in all participants. In "
                f"{few([f'sub-{s}' for s in unlike])} it is not as in "
                f"sub-{subjects[0].analysis.subject}.",
                f"Remove --noise-ceiling, or {remedy} and run the participant level again.",
            )


def read_subject(
    subject: CeilingSubject, folder: Path, n_threads: int, progress: Progress
) -> CeilingSource:
    """Read a participant's images as its participant run did.

    Parameters
    ----------
    subject : CeilingSubject
    folder : Path
        Where patterns and noise are kept, which are mapped into memory.
    n_threads : int
    progress : callable
        Makes the bar of a run whose residuals are estimated again.

    Raises
    ------
    BidsRsaError
        A file that is missing, damaged or on another grid.
    """
    analysis, rsa = subject.analysis, subject.rsa
    stacked = stack_analysis(analysis, rsa.reading, n_threads)
    path = folder / f"{analysis.subject}.npy"
    np.save(path, stacked.patterns)
    patterns = PatternSet(
        np.load(path, mmap_mode="r"),
        stacked.patch_mask,
        rsa.dissimilarity,
        metric_parameters(rsa, stacked.patch_mask),
        rsa.min_voxels,
        rsa.ignore_nan,
        _noise(subject, stacked, folder, n_threads, progress),
        rsa.patch_size,
        # voxels of a ribbon are those of a participant's own grid
        stacked.space if isinstance(stacked.space, RibbonSpace) else None,
    )
    return CeilingSource(
        analysis.subject, patterns, rsa.radius_mm, subject.models, subject.covariance
    )


def _noise(
    subject: CeilingSubject,
    stacked: StackedPatterns,
    folder: Path,
    n_threads: int,
    progress: Progress,
) -> NoiseModel | None:
    """Read what noise is estimated from."""
    analysis, rsa = subject.analysis, subject.rsa
    if rsa.noise == "none":
        n_voxels = len(stacked.patterns)
        return no_noise(n_voxels) if needs_noise(rsa.dissimilarity) else None
    made = {
        bold: str(path)
        for planned in subject.runs
        if planned.for_noise
        for bold, path in zip(
            planned.run.paths,
            _residuals(subject, planned, folder, n_threads, progress),
            strict=True,
        )
    }
    path, layout = folder / f"{analysis.subject}_noise.npy", stacked.space.layout
    return noise_of(analysis, rsa, stacked.patch_mask, layout, path, n_threads, made).model()


def _residuals(
    subject: CeilingSubject, planned: PlannedRun, folder: Path, n_threads: int, progress: Progress
) -> tuple[Path, ...]:
    """Find the residuals that were kept, or estimate them again."""
    kept = residuals_paths(planned.run)
    if planned.keep_residuals and is_complete(Path(subject.root), planned.planned, ()):
        return tuple(Path(subject.root) / path for path in kept)
    from bids_rsa.estimation.images import estimate_run  # nilearn's models take seconds to import

    own = folder / Path(kept[0]).name.partition(".")[0]
    own.mkdir()
    label = planned.run.label
    files = estimate_run(
        planned.run, own, True, n_threads, lambda n_voxels: progress(n_voxels, label)
    )
    return files.residuals
