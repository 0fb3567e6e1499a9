"""Nuisance regressors of a run: fMRIPrep's confounds, high-pass filter, volumes taken out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bids_rsa.errors import ContentError, InputError, SelectionError
from bids_rsa.estimation.confound_strategies import STRATEGIES, strategy_columns
from bids_rsa.settings import BoldSettings
from bids_rsa.words import few, listing

HIGH_PASS_S = 128.0
_COSINE = re.compile(r"cosine\d*")
_STEADY = re.compile(r"non_steady_state_outlier\d*")
_DISPLACEMENT = "framewise_displacement"


@dataclass(frozen=True, eq=False)
class Nuisance:
    """The nuisance regressors of a run.

    Parameters
    ----------
    values : ndarray, shape (n_volumes, n_regressors)
        Each demeaned and scaled to unit variance, which changes no estimate; spikes are 0 and 1.
    names : tuple of str
    spikes : tuple of int
        The volumes (from 0) that a separate regressor takes out.
    high_pass_s : float or None
        Cut-off of the cosines still to be added; None: the confounds contain them, or none are
        wanted.
    high_pass_source : str
    notes : tuple of str
    """

    values: NDArray[np.float64]
    names: tuple[str, ...]
    spikes: tuple[int, ...]
    high_pass_s: float | None
    high_pass_source: str
    notes: tuple[str, ...] = ()


def choose_nuisance(path: str | None, n_volumes: int, settings: BoldSettings) -> Nuisance:
    """Choose the nuisance regressors of a run.

    Parameters
    ----------
    path : str or None
        fMRIPrep's table of confounds.
    n_volumes : int
    settings : BoldSettings
        ``confounds`` (names of strategies, of columns, or regular expressions), ``high_pass``,
        ``fd_threshold`` and ``dummy_scans`` are used.

    Raises
    ------
    InputError
        Confounds are wanted and there is no table.
    ContentError
        The table does not fit the run, or lacks what a strategy needs.
    SelectionError
        A name or regular expression matches no column.
    """
    table = _read(path, n_volumes) if path else None
    if table is None and (settings.fd_threshold is not None or set(settings.confounds) != {"none"}):
        raise InputError(
            f"--confounds {' '.join(settings.confounds)} needs fMRIPrep's table "
            "..._desc-confounds_timeseries.tsv, and there is none for this run.",
            "Give the derivatives that contain it with -d, or use --confounds none.",
        )
    columns: list[str] = []
    scrubbed: set[int] = set()
    if table is not None and path is not None:
        columns = _columns(path, table, settings.confounds)
        scrubbed = _scrubbed(path, table, settings.fd_threshold)
    cosines = [] if table is None else [name for name in table.columns if _COSINE.fullmatch(name)]
    use_cosines = bool(cosines) and settings.high_pass is None
    columns = [name for name in columns if name not in cosines]
    columns += cosines if use_cosines else []
    spikes = tuple(sorted(scrubbed | set(range(min(settings.dummy_scans, n_volumes)))))
    values: NDArray[np.float64] = np.empty((n_volumes, 0))
    notes: tuple[str, ...] = ()
    if table is not None and columns:
        values, notes = _values(path or "", table, columns)
    one_hot = np.zeros((n_volumes, len(spikes)))
    one_hot[list(spikes), range(len(spikes))] = 1.0
    own = None if use_cosines or settings.high_pass == 0 else settings.high_pass or HIGH_PASS_S
    return Nuisance(
        values=np.hstack([values, one_hot]),
        names=(*columns, *(f"spike_{volume:03d}" for volume in spikes)),
        spikes=spikes,
        high_pass_s=own,
        high_pass_source=_high_pass_source(use_cosines, settings.high_pass, own),
        notes=notes,
    )


def _high_pass_source(use_cosines: bool, asked: float | None, own: float | None) -> str:
    """Say in words where the high-pass filter comes from."""
    if use_cosines:
        return "the confounds' cosines"
    if own is None:
        return "none (--high-pass 0)"
    return "--high-pass" if asked is not None else "default, as the confounds contain no cosines"


def _read(path: str, n_volumes: int) -> pd.DataFrame:
    """Read the table of confounds."""
    try:
        table = pd.read_csv(path, sep="\t", na_values=["n/a"], encoding="utf-8-sig")
    except (ValueError, OSError) as error:
        raise ContentError(f"{path} cannot be read as a table of confounds: {error}.") from error
    if len(table) != n_volumes:
        raise ContentError(
            f"{path} has {len(table)} rows, and the BOLD image has {n_volumes} volumes.",
            "Both must come from the same run of fMRIPrep.",
        )
    return table


def _columns(path: str, table: pd.DataFrame, wanted: Sequence[str]) -> list[str]:
    """List the columns that strategies, names and regular expressions choose, each once."""
    columns: list[str] = []
    for text in wanted:
        if text in STRATEGIES:
            columns += strategy_columns(path, table, text)
            continue
        matching = [name for name in table.columns if _matches(text, name)]
        if not matching:
            raise SelectionError(
                f"--confounds {text} is not a strategy ({', '.join(STRATEGIES)}), and matches no "
                f"column of {path}.",
                f"Its columns: {listing(list(table.columns))}.",
            )
        columns += [name for name in matching if not _STEADY.fullmatch(name)]
    return list(dict.fromkeys(columns))


def _matches(text: str, name: str) -> bool:
    """Tell whether a column's whole name is a text or matches it as a regular expression."""
    try:
        return text == name or re.fullmatch(text, name) is not None
    except re.error:
        return False


def _scrubbed(path: str, table: pd.DataFrame, fd_threshold: float | None) -> set[int]:
    """List the volumes to take out: not in steady state, or with too much motion."""
    steady = table[[name for name in table.columns if _STEADY.fullmatch(name)]]
    volumes = set(np.flatnonzero((steady.to_numpy(dtype=float) != 0).any(axis=1)).tolist())
    if fd_threshold is None:
        return volumes
    if _DISPLACEMENT not in table:
        raise ContentError(
            f"--fd-threshold {fd_threshold:g} needs the column {_DISPLACEMENT}, and {path} has "
            "none.",
            "Leave --fd-threshold out, or add the column.",
        )
    try:
        moved = table[_DISPLACEMENT].to_numpy(dtype=float)
    except ValueError as error:
        raise ContentError(f"{path}: {_DISPLACEMENT} contains text: {error}.") from error
    return volumes | set(np.flatnonzero(moved > fd_threshold).tolist())  # the first is missing


def _values(
    path: str, table: pd.DataFrame, columns: Sequence[str]
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Take the columns' values, standardised; a derivative's missing first value becomes 0."""
    try:
        values = table[list(columns)].to_numpy(dtype=float, copy=True)
    except ValueError as error:
        raise ContentError(f"{path}: a confound contains text: {error}.") from error
    values[0] = np.where(np.isnan(values[0]), 0.0, values[0])
    bad = [name for i, name in enumerate(columns) if not np.isfinite(values[:, i]).all()]
    if bad:
        raise ContentError(
            f"{path}: missing or infinite values below the first row, in {few(bad)}.",
            "Choose other --confounds.",
        )
    values -= values.mean(axis=0)
    spread = values.std(axis=0)
    flat = [name for name, s in zip(columns, spread, strict=True) if s == 0]
    notes = (f"Confounds that never change take nothing out: {few(flat)}.",) if flat else ()
    return values / np.where(spread > 0, spread, 1.0), notes
