"""Models whose conditions may be permuted."""

from collections.abc import Sequence

import numpy as np

from bids_rsa.errors import ContentError
from bids_rsa.models.fits import condensed
from bids_rsa.records import ModelRdm


def check_permutable(models: Sequence[ModelRdm], conditions: Sequence[str]) -> None:
    """Refuse to permute models with missing cells.

    Raises
    ------
    ContentError
        Names the model, and how many cells it lacks.
    """
    cells = condensed(models, conditions)
    for model, row in zip(models, cells, strict=True):
        n_missing = int(np.isnan(row).sum())
        if n_missing:
            raise ContentError(
                f"--condition-permutations: the model {model.name} lacks {n_missing} of "
                f"{row.size} cells (empty in its file, or left out by --exclude-cells or "
                "--exclude-within). When conditions are permuted, other cells would be missing.",
                "Give the model a value in every cell, or remove --condition-permutations.",
            )
