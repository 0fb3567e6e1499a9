"""The covariance that the design gives condition estimates.

Estimates of one run share its noise. Under white noise their covariance is sigma^2 C (X'X)^-1 C'
(X the design matrix, C the contrasts), so conditions that follow each other closely correlate even
where nothing differs (Cai et al. 2019, PLoS Computational Biology 15:e1006299).
"""

import numpy as np
from numpy.typing import NDArray

from bids_rsa.estimation.design import RunDesign, trial_designs


def design_covariance(design: RunDesign) -> NDArray[np.float64]:
    """Compute the covariance of a run's condition estimates under white noise of unit variance.

    Parameters
    ----------
    design : Design

    Returns
    -------
    ndarray, shape (n_conditions, n_conditions)
        In the order of ``design.names``; trials are averaged by condition. NaN for conditions that
        cannot be estimated.
    """
    if design.separate:
        weights = np.array([c @ np.linalg.pinv(matrix) for matrix, c in trial_designs(design)])
    else:
        weights = design.contrasts @ np.linalg.pinv(design.matrix)
    owners = np.array(design.conditions)
    means = np.array([weights[owners == name].mean(axis=0) for name in design.names])
    lost = [name in dict(design.unestimable) for name in design.names]
    means[lost] = np.nan
    return np.asarray(means @ means.T)
