"""The design matrix of a run, made by nilearn, and the images that are estimated from it."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from nilearn.glm.first_level import make_first_level_design_matrix
from numpy.typing import NDArray

from bids_rsa.errors import ContentError
from bids_rsa.estimation.confounds import Nuisance
from bids_rsa.estimation.estimability import (
    independent_columns,
    matrix_rank,
    unestimable,
)
from bids_rsa.estimation.events import EARLIEST_S, Events
from bids_rsa.estimation.irregular import are_regular, irregular_design_matrix

# names as users write them, and nilearn's
HRF_MODELS = {
    "spm": "spm",
    "glover": "glover",
    "spm+derivative": "spm + derivative",
    "glover+derivative": "glover + derivative",
    "fir": "fir",
}
FIR_LAST_S = 16.0
FIR_PEAK_S = (4.0, 8.0)
_STEPS = 50  # nilearn's, in a repetition time
_CONSTANT = "constant"


@dataclass(frozen=True, eq=False)
class RunDesign:
    """The design of a run.

    Parameters
    ----------
    matrix : ndarray, shape (n_volumes, n_columns)
        nilearn's design matrix, columns that depend on those before them left out.
    columns : tuple of str
    conditions : tuple of str
        The condition of each estimate: one for each condition, or one for each trial.
    contrasts : ndarray, shape (n_estimates, n_columns)
        The weights of the columns in each estimate.
    frame_times_s : ndarray, shape (n_volumes,)
    n_events : tuple of (str, int)
        Events within the run of each condition.
    rank : int
    unestimable : tuple of (str, str)
        Conditions that cannot be estimated, and why.
    separate : bool
        Least squares separate: each trial has a separate design (see `trial_designs`).
    notes : tuple of str
    """

    matrix: NDArray[np.float64]
    columns: tuple[str, ...]
    conditions: tuple[str, ...]
    contrasts: NDArray[np.float64]
    frame_times_s: NDArray[np.float64]
    n_events: tuple[tuple[str, int], ...]
    rank: int
    unestimable: tuple[tuple[str, str], ...] = ()
    separate: bool = False
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The conditions, sorted."""
        return tuple(sorted(set(self.conditions)))

    @property
    def dof(self) -> int:
        """Residual degrees of freedom: volumes minus rank."""
        return len(self.matrix) - self.rank


def build_design(
    events: Events,
    frame_times_s: NDArray[np.float64],
    nuisance: Nuisance,
    hrf: str = "spm",
    estimate: str = "conditions",
) -> RunDesign:
    """Make a run's design matrix and find out what can be estimated from it.

    Parameters
    ----------
    events : Events
        Those within the run.
    frame_times_s : ndarray, shape (n_volumes,)
    nuisance : Nuisance
    hrf : str
        One of `HRF_MODELS`. With a derivative the estimate is the canonical regressor's; with
        ``fir`` the mean of the bins from 4 to 8 s after the onset.
    estimate : str
        ``conditions``: one regressor for each condition; ``trials``: one for each event (least
        squares all); ``lss``: each event against all others (least squares separate; Turner 2012,
        Mumford et al. 2012).

    Raises
    ------
    ContentError
        The design leaves no degree of freedom, or ``fir`` was asked for and volumes are not equally
        spaced.
    """
    by_trial = estimate != "conditions"
    n_events = events.onsets_s.size
    owners = (
        list(range(n_events)) if by_trial else [events.names.index(c) for c in events.conditions]
    )
    labels = events.conditions if by_trial else events.names
    matrix, columns, contrasts = _nilearn_matrix(
        events, owners, len(labels), frame_times_s, nuisance, hrf
    )
    design = RunDesign(
        matrix=matrix,
        columns=_column_names(columns, labels, by_trial),
        conditions=tuple(labels),
        contrasts=contrasts,
        frame_times_s=frame_times_s,
        n_events=tuple((name, events.count(name)) for name in events.names),
        rank=matrix_rank(matrix),
        separate=estimate == "lss",
        notes=(*events.notes, *nuisance.notes),
    )
    if design.dof < 1:
        raise ContentError(
            f"The design has {matrix.shape[1]} columns (rank {design.rank}), and the run "
            f"{len(matrix)} volumes: no degree of freedom is left.",
            "Use fewer confounds (--confounds), fewer spikes, or --estimate conditions.",
        )
    return _without_dependent(_with_unestimable(design))


def _nilearn_matrix(
    events: Events,
    owners: list[int],
    n_estimates: int,
    frame_times_s: NDArray[np.float64],
    nuisance: Nuisance,
    hrf: str,
) -> tuple[NDArray[np.float64], list[str], NDArray[np.float64]]:
    """Let nilearn make the matrix.

    Conditions go in under code names, so that no name is mistaken for a confound's.
    """
    table = pd.DataFrame(
        {
            "onset": events.onsets_s,
            "duration": events.durations_s,
            "trial_type": [f"condition{owner:05d}" for owner in owners],
        }
    )
    repetition_time = float(np.median(np.diff(frame_times_s)))
    delays = list(range(int(FIR_LAST_S / repetition_time) + 1)) if hrf == "fir" else [0]
    options = {
        "hrf_model": HRF_MODELS[hrf],
        "drift_model": None if nuisance.high_pass_s is None else "cosine",
        "high_pass": 1.0 / (nuisance.high_pass_s or 1.0),
        "fir_delays": delays,
        "min_onset": EARLIEST_S,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they say is said here in the run's own words
        if are_regular(frame_times_s):
            found = make_first_level_design_matrix(
                frame_times_s,
                table,
                add_regs=nuisance.values if nuisance.names else None,
                add_reg_names=_nuisance_names(nuisance) or None,
                **options,
            )
        else:
            found = irregular_design_matrix(
                frame_times_s, table, nuisance.values, _nuisance_names(nuisance), options
            )
    columns = [str(name) for name in found.columns]
    contrasts = np.zeros((n_estimates, len(columns)))
    peak = _peak_bins(events.onsets_s, frame_times_s, delays, repetition_time)
    for number in range(n_estimates):
        code = f"condition{number:05d}"
        own = [code] if hrf != "fir" else [f"{code}_delay_{delay}" for delay in peak]
        contrasts[number, [columns.index(name) for name in own]] = 1.0 / len(own)
    return found.to_numpy(dtype=float), columns, contrasts


def _nuisance_names(nuisance: Nuisance) -> list[str]:
    """Code names that no condition has."""
    return [f"nuisance {name}" for name in nuisance.names]


def _peak_bins(
    onsets_s: NDArray[np.float64],
    frame_times_s: NDArray[np.float64],
    delays: list[int],
    repetition_time: float,
) -> list[int]:
    """Choose the bins of a finite impulse response in which the response peaks.

    Bin d contains the volumes from (d - 1) repetition times after the onset up to d; where in it
    they are depends on when events begin within a volume. Bins are the same for all events.
    """
    # nilearn moves onsets to the next of its steps
    steps = np.ceil((onsets_s - frame_times_s[0]) * (_STEPS / repetition_time) - 1e-6)
    after = repetition_time * (1.0 - float(np.mean(steps % _STEPS)) / _STEPS)
    times = {delay: (delay - 1) * repetition_time + after for delay in delays}
    first, last = FIR_PEAK_S
    chosen = [d for d in delays if first - 1e-6 <= times[d] <= last + 1e-6]
    return chosen or [min(delays, key=lambda d: abs(times[d] - (first + last) / 2))]


def _column_names(columns: list[str], labels: tuple[str, ...], by_trial: bool) -> tuple[str, ...]:
    """Put names in the place of code names; every name is unique."""
    named: list[str] = []
    for column in columns:
        name = column.removeprefix("nuisance ")
        if column.startswith("condition"):
            number = int(column[9:14])
            trial = f"_trial_{number:03d}" if by_trial else ""
            name = f"{labels[number]}{trial}{column[14:]}"
        while name in named:
            name = f"{name}_"
        named.append(name)
    return tuple(named)


def _with_unestimable(design: RunDesign) -> RunDesign:
    """Find the conditions that cannot be estimated."""
    reasons: dict[str, str] = {}
    for number, partners in unestimable(design.matrix, design.contrasts).items():
        name = design.conditions[number]
        others = [design.columns[i] for i in partners]
        own = [design.columns[i] for i in np.flatnonzero(design.contrasts[number])]
        told = ", ".join(dict.fromkeys(column for column in others if column not in own))
        reasons.setdefault(
            name, f"it is collinear with {told}" if told else "it has no response within the run"
        )
    return replace(design, unestimable=tuple(reasons.items()))


def _without_dependent(design: RunDesign) -> RunDesign:
    """Leave out columns that depend on those before them: no estimate changes by it."""
    used = (design.contrasts != 0).any(axis=0)
    wanted = np.array([name not in dict(design.unestimable) for name in design.conditions], bool)
    safe = (design.contrasts[wanted] != 0).any(axis=0)
    constant = np.array([name == _CONSTANT for name in design.columns])
    order = np.argsort(-(2 * safe + 1 * constant), kind="stable")
    kept = np.sort(order[independent_columns(design.matrix[:, order])])
    gone = [design.columns[i] for i in range(len(design.columns)) if i not in kept]
    if not gone:
        return design
    nuisance = [name for name in gone if not used[design.columns.index(name)]]
    told = f"Columns that depend on others were left out of the design: {', '.join(nuisance)}."
    return replace(
        design,
        matrix=design.matrix[:, kept],
        columns=tuple(design.columns[i] for i in kept),
        contrasts=design.contrasts[:, kept],
        notes=(*design.notes, told) if nuisance else design.notes,
    )


def trial_designs(design: RunDesign) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yield the design of each trial of least squares separate, and its contrast.

    A trial's own regressors are next to the sums of those of all other trials of its condition
    and of each other condition: as a response is linear, these are what nilearn would make.
    """
    owners = _trial_columns(design)
    # an empty column in the place of those that were left out, which -1 stands for
    columns = np.column_stack([design.matrix, np.zeros(len(design.matrix))])
    weights = np.column_stack([design.contrasts, np.zeros(len(design.contrasts))])
    every = set(owners.ravel().tolist())
    others = [i for i in range(design.matrix.shape[1]) if i not in every]
    sums = {
        name: columns[:, owners[np.array(design.conditions) == name]].sum(axis=1)
        for name in design.names
    }
    for number, name in enumerate(design.conditions):
        own = columns[:, owners[number]]
        blocks = [own]
        for other, total in sums.items():
            rest = total - own if other == name else total
            if design.conditions.count(other) > (other == name):
                blocks.append(rest)
        matrix = np.hstack([*blocks, design.matrix[:, others]])
        kept = independent_columns(matrix)
        contrast = np.zeros(matrix.shape[1])
        contrast[: owners.shape[1]] = weights[number, owners[number]]
        yield matrix[:, kept], contrast[kept]


def _trial_columns(design: RunDesign) -> NDArray[np.intp]:
    """Find the columns of each trial, (n_trials, n_columns of a trial); -1: it was left out."""
    number_of = {column: i for i, column in enumerate(design.columns)}
    starts = [f"{name}_trial_{number:03d}" for number, name in enumerate(design.conditions)]
    endings = dict.fromkeys(
        column.removeprefix(start)
        for start in starts
        for column in design.columns
        if column == start or column.startswith(f"{start}_")
    )
    return np.array(
        [[number_of.get(f"{start}{ending}", -1) for ending in endings] for start in starts],
        dtype=np.intp,
    )
