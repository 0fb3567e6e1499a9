"""The design matrix of a run whose volumes are not equally spaced (BIDS' VolumeTiming).

nilearn samples the response at the shortest interval between volumes, and the events at the mean
one. The two agree only where all intervals are equal; elsewhere responses would be stretched.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from nilearn.glm.first_level import make_first_level_design_matrix
from numpy.typing import NDArray

from bids_rsa.errors import ContentError

Floats = NDArray[np.float64]

# share of the interval between volumes by which intervals may differ through rounding
_ROUNDING = 1e-6
# nilearn's own sampling: steps in an interval between volumes
_STEPS = 50
_DERIVATIVE = "_derivative"


def are_regular(frame_times_s: Floats) -> bool:
    """Tell whether all intervals between volumes are equal."""
    intervals = np.diff(frame_times_s)
    return bool(np.ptp(intervals) <= _ROUNDING * np.median(intervals))


def irregular_design_matrix(
    frame_times_s: Floats,
    events: pd.DataFrame,
    nuisance: Floats,
    nuisance_names: Sequence[str],
    options: Mapping[str, Any],
) -> pd.DataFrame:
    """Make nilearn's design matrix at fine, equal steps, and take it at the times of the volumes.

    Parameters
    ----------
    frame_times_s : ndarray, shape (n_volumes,)
    events : DataFrame
        As nilearn takes it.
    nuisance : ndarray, shape (n_volumes, n_nuisance)
    nuisance_names : sequence of str
    options : mapping
        Further options of `nilearn.glm.first_level.make_first_level_design_matrix`.

    Returns
    -------
    DataFrame
        The columns of regressors, nuisance, drifts and the constant, in nilearn's order.

    Raises
    ------
    ContentError
        A finite impulse response, whose bins are one interval between volumes wide.
    """
    if options["hrf_model"] == "fir":
        raise ContentError(
            "--hrf fir has bins of one repetition time, and the volumes of this run are not "
            "equally spaced (VolumeTiming).",
            "Use another --hrf.",
        )
    step = float(np.median(np.diff(frame_times_s))) / _STEPS
    n_steps = int(np.ceil((frame_times_s[-1] - frame_times_s[0]) / step)) + 2
    times = frame_times_s[0] + step * np.arange(n_steps)
    fine = make_first_level_design_matrix(times, events, oversampling=1, **options)
    found = pd.DataFrame(
        {name: np.interp(frame_times_s, times, fine[name]) for name in fine.columns}
    )
    for name in found.columns:
        if str(name).endswith(_DERIVATIVE):
            found[name] = _orthogonal(found[name], found[str(name).removesuffix(_DERIVATIVE)])
    own = sum(str(name).startswith(tuple(set(events["trial_type"]))) for name in found.columns)
    beside = pd.DataFrame(nuisance, columns=list(nuisance_names))
    return pd.concat([found.iloc[:, :own], beside, found.iloc[:, own:]], axis=1)


def _orthogonal(column: pd.Series, other: pd.Series) -> pd.Series:
    """Take what it shares with another column away, as nilearn does with a derivative."""
    return column - other * (column @ other) / (other @ other)
