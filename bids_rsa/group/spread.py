"""Spread over participants: unequal in two groups, or less than scores can tell apart."""

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.inference.group_maps import spread_ratio
from bids_rsa.group.records import GroupTest

# 6 and 18 participants of equal spread do not reach it (0 of 200 maps of 40 resolution elements or
# more), and a true 1.3 already makes the family-wise error of max-T .12
NOTABLE_RATIO = 1.25
# where the wider group is larger by this factor, corrected p values are too large instead: twice
# the spread makes the family-wise error .08 for 14 participants against 10, .02 for 16 against 8
MUCH_LARGER = 1.5


def spread_warnings(test: GroupTest, scores: NDArray[np.float64]) -> tuple[str, ...]:
    """Warn where two groups tested by Welch's t differ in spread.

    Parameters
    ----------
    test : GroupTest
    scores : (n_subjects, n_voxels) float64
        What is tested.

    Returns
    -------
    tuple of str
        For the log and the sidecar; empty where there is nothing to say.
    """
    if test.kind != "groups" or test.covariates:
        return ()
    ratio = spread_ratio(scores, np.array(test.group_of) == test.groups[0])
    with np.errstate(divide="ignore"):
        factor = float(max(ratio, np.divide(1.0, ratio)))
    if factor < NOTABLE_RATIO:
        return ()
    wide, narrow = test.groups if ratio > 1 else test.groups[::-1]
    n_wide, n_narrow = (test.group_of.count(name) for name in (wide, narrow))
    one, several = test.words
    return (
        f"The scores of group {wide} ({n_wide} participants) spread {factor:.2f} times as widely "
        f"as those of {narrow} ({n_narrow}), by the median over {several}. Corrected p values "
        "(max-T, TFCE, clusters) assume equal spread: here they tend to be "
        f"{_failure(n_wide, n_narrow)}. Look at the {one}-wise p, and match the groups in size "
        "and in how well they are measured.",
    )


def resolution_warnings(n_little: int, n_voxels: int, several: str) -> tuple[str, ...]:
    """Say at how many voxels the spread over participants is below the resolution of the scores.

    ``several`` is what voxels are called in the space tested.
    """
    if not n_little:
        return ()
    return (
        f"At {n_little} of {n_voxels} {several} the scores vary less across participants than the "
        "resolution of this comparison (half a step of the score). The resolution replaces the "
        "standard deviation there, also in the relabelings.",
    )


def _failure(n_wide: int, n_narrow: int) -> str:
    """Say in which direction corrected p values fail."""
    if n_wide >= MUCH_LARGER * n_narrow:
        return "too large (differences are missed)"
    return "too small (differences are found that are not there)"
