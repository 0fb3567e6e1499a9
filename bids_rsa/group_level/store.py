"""The data and the null distributions of a test between two nodes: arrays in .npz files."""

from pathlib import Path

import numpy as np

from bids_rsa.core.inference import Null
from bids_rsa.group_level.scores import GroupScores
from bids_rsa.images import replacing


def save_scores(data: GroupScores, path: Path) -> str:
    """Write the data of a test."""
    with replacing(path) as beside, beside.open("wb") as file:
        np.savez(
            file,
            scores=data.scores,
            mask=data.mask,
            affine=data.affine,
            n_centers=data.n_centers,
            n_lost=data.n_lost,
            n_clipped=np.array(data.n_clipped),
        )
    return str(path)


def load_group_scores(path: str) -> GroupScores:
    """Read the data of a test."""
    with np.load(path) as stored:
        return GroupScores(
            scores=stored["scores"],
            mask=stored["mask"],
            affine=stored["affine"],
            n_centers=stored["n_centers"],
            n_lost=stored["n_lost"],
            n_clipped=int(stored["n_clipped"]),
        )


def save_null(null: Null, path: Path) -> str:
    """Write null distributions."""
    with replacing(path) as beside, beside.open("wb") as file:
        np.savez(file, counts=null.counts, **null.maxima)  # type: ignore[arg-type]
    return str(path)


def load_null(path: str) -> Null:
    """Read null distributions."""
    with np.load(path) as stored:
        names = [name for name in stored.files if name != "counts"]
        return Null({name: stored[name] for name in names}, stored["counts"])
