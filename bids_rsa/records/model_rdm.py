"""A model RDM."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ModelRdm:
    """A model RDM, square and labelled: ``cells`` (n_conditions, n_conditions), NaN if left out.

    Two models are equal when they were made from the same file in the same way.
    ``metric`` is the dissimilarity that made it of features; empty for an RDM that was given.
    A ``nuisance`` model takes part in joint fits and gets no map. ``excluded`` is the table
    (path, SHA-256) that says which cells are left out.
    """

    name: str
    path: str
    sha256: str
    conditions: tuple[str, ...]
    cells: NDArray[np.float64] = field(compare=False, repr=False)
    metric: str = ""
    nuisance: bool = False
    excluded: tuple[str, str] | None = None
