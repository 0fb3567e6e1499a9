"""From t to z: exactly for maps, by table for permutations."""

import numpy as np
import numpy.typing as npt
from scipy import special

KNOTS_PER_UNIT = 64.0
LARGEST_ARGUMENT = 40.0


def t_to_z(t: npt.ArrayLike, df: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Turn t into the z that has the same tail probability.

    Parameters
    ----------
    t : array_like
        Student's t.
    df : array_like
        Degrees of freedom, broadcast with ``t``.

    Returns
    -------
    ndarray of float64
        z; at most Wallace's (1959) upper bound ``sqrt(df log(1 + t^2 / df))`` where the tail
        probability underflows (z above 37).
    """
    t, df = np.broadcast_arrays(np.asarray(t, np.float64), np.asarray(df, np.float64))
    magnitude = -special.ndtri(special.stdtr(df, -np.abs(t)))
    wallace = np.sqrt(2 * df * np.log(np.hypot(1, t / np.sqrt(df))))
    magnitude = np.where(magnitude > 37, np.minimum(magnitude, wallace), magnitude)
    return np.asarray(np.sign(t) * magnitude, dtype=np.float64)


def ratio_table(dfs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Tabulate z / a over a = sqrt(df log(1 + t^2 / df)), a smooth function near 1.

    Parameters
    ----------
    dfs : (n_classes,) float64
        Degrees of freedom.

    Returns
    -------
    (n_classes, n_knots) float64
        Knots 1 / 64 apart from 0 to 40; cubic interpolation is exact to 1e-9.
    """
    arguments = np.arange(int(LARGEST_ARGUMENT * KNOTS_PER_UNIT) + 4) / KNOTS_PER_UNIT
    return np.vstack([_ratios(arguments, float(df)) for df in dfs])


def _ratios(arguments: npt.NDArray[np.float64], df: float) -> npt.NDArray[np.float64]:
    """Compute z / a for one df; the limit at 0 is the ratio of the two densities there."""
    with np.errstate(over="ignore"):
        t = np.sqrt(df * np.expm1(arguments**2 / df))
        tail = special.stdtr(df, -t)
    usable = (tail > 1e-290) & np.isfinite(t)
    last = int(np.flatnonzero(usable)[-1])
    ratios = np.empty_like(arguments)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios[1:] = -special.ndtri(tail[1:]) / arguments[1:]
    log_density = special.gammaln((df + 1) / 2) - special.gammaln(df / 2) - np.log(df * np.pi) / 2
    ratios[0] = np.exp(log_density) * np.sqrt(2 * np.pi)
    ratios[last + 1 :] = ratios[last]
    return ratios
