"""How much of the expected responses a high-pass filter removes, together with the drift."""

import re

import numpy as np
from numpy.typing import NDArray

from bids_rsa.errors import OptionError
from bids_rsa.estimation.confounds import Nuisance
from bids_rsa.estimation.design import RunDesign
from bids_rsa.words import few

# more than this share of a response's variance is removed: a warning
WARNED_SHARE = 0.5
# more than this share of each condition's: the cut-off that was given is refused
REFUSED_SHARE = 0.9
# the columns of slow cosines, as fMRIPrep and nilearn name them
_COSINES = re.compile(r"(?:cosine\d*|drift_\d+)_*")


def removed_shares(design: RunDesign) -> dict[str, float]:
    """Compute how much of each condition's response the cosines of a high-pass filter explain.

    Parameters
    ----------
    design : RunDesign

    Returns
    -------
    dict
        By condition the share, from 0 to 1, of the variance of its regressor (with trials the sum
        of its trials' regressors) that is explained by the cosines. Their slow fluctuations no
        longer count as response, so the variance of estimates grows by 1 / (1 - share).
    """
    used = (design.contrasts != 0).any(axis=0)
    slow = [i for i, name in enumerate(design.columns) if not used[i] and _COSINES.fullmatch(name)]
    cosines = _demeaned(design.matrix[:, slow])
    shares = {}
    for name in design.names:
        own = np.array([condition == name for condition in design.conditions])
        response = _demeaned(design.matrix @ design.contrasts[own].sum(axis=0))
        total = float(response @ response)
        if not slow or total == 0:
            shares[name] = 0.0
            continue
        fitted = cosines @ np.linalg.lstsq(cosines, response, rcond=None)[0]
        shares[name] = float(fitted @ fitted) / total
    return shares


def _demeaned(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take away the mean over volumes."""
    return np.asarray(values - values.mean(axis=0))


def check_high_pass(design: RunDesign, nuisance: Nuisance, asked: float | None) -> tuple[str, ...]:
    """Say for which conditions the high-pass filter removes most of the response.

    Parameters
    ----------
    design : RunDesign
    nuisance : Nuisance
    asked : float or None
        The cut-off that was given, in seconds.

    Returns
    -------
    tuple of str
        A warning, or nothing.

    Raises
    ------
    OptionError
        A cut-off was given that leaves nearly nothing of any condition's response.
    """
    shares = removed_shares(design)
    removed = [name for name, share in shares.items() if share > WARNED_SHARE]
    if not removed:
        return ()
    least, most = min(shares.values()), max(shares.values())
    if asked and least > REFUSED_SHARE:
        raise OptionError(
            f"--high-pass {asked:g} removes the response itself: its cosines explain "
            f"{_percent(least)} or more of the variance of each condition's expected response in "
            "this run.",
            "Choose a cut-off (in seconds) that is longer than the time between events of one "
            "condition, for example 128; 0 for no filter.",
        )
    return (
        f"The cosines of the high-pass filter ({nuisance.high_pass_source}) explain up to "
        f"{_percent(most)} of the variance of the expected response to {few(removed)}. That part "
        "of the response is lost; a longer cut-off (--high-pass) keeps more of it.",
    )


def _percent(share: float) -> str:
    """Write a share in whole percent, never rounded up to all."""
    return f"{int(100 * share)} %"
