"""GLMsingle: HDF5 with one beta volume for each trial, in the order of the experiment.

The Python version writes ``TYPED_FITHRF_GLMDENOISE_RR.hdf5`` with ``betasmd`` (X, Y, Z, trial)
(glmsingle.py, utils/save_glmsingle_outputs_h5.py); MATLAB's ``.mat`` (v7.3, also HDF5) contains
``modelmd``, its axes in reverse order. Neither has an affine: a reference image gives it. Which
trial is which condition is in DESIGNINFO (``stimorder``), which the Python version pickles;
pickles can run code and are never opened, so there --labels says it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bids_rsa.errors import ContentError, InputError, OptionError
from bids_rsa.producers.common import from_place
from bids_rsa.producers.labels import Labels, label_volumes
from bids_rsa.producers.places import Place
from bids_rsa.records import ConditionImage
from bids_rsa.spaces.glmsingle import open_betas, shape_of
from bids_rsa.spaces.headers import header_of

NAME = "glmsingle"
# the best model that is there is taken
MODELS = ("TYPED", "TYPEC", "TYPEB")
ENDINGS = (".hdf5", ".h5", ".mat")


def recognises(path: Path) -> bool:
    """Tell whether this is a GLMsingle result, or a folder with one."""
    if path.is_dir():
        return any(
            recognises(p) or p.name.startswith(MODELS) for p in path.iterdir() if p.is_file()
        )
    return path.suffix in ENDINGS and path.name.startswith(MODELS)


def find(place: Place, labels: Labels | None, reference: str | None) -> list[ConditionImage]:
    """Turn one GLMsingle result into records, one for each trial.

    Raises
    ------
    OptionError
        No reference image, or nothing that says what the trials are.
    InputError, ContentError
        No HDF5 file, one without betas, or counts that differ.
    """
    path = _result(Path(place.path))
    if reference is None:
        raise OptionError(
            f"{path} is a GLMsingle result, which has no affine.",
            "Name an image on the same grid (a BOLD run or its mask): --reference-image FILE",
        )
    reference = str(Path(place.fill(reference)).absolute())
    count = _check_grid(path, reference)
    trials = _labelled(path, place, labels, count)
    return [
        from_place(
            place, str(path), condition, "effect", NAME,
            volume=volume, run=run or place.run, n_trials=n or 1.0,
            reader=NAME, reference=reference,
        )
        for volume, condition, run, n in trials
    ]  # fmt: skip


def _result(path: Path) -> Path:
    """Choose the result in a folder."""
    if path.is_file():
        return path
    for model in MODELS:
        files = [p for p in sorted(path.glob(f"{model}*")) if p.suffix in ENDINGS]
        if files:
            return files[0]
    there = ", ".join(p.name for p in sorted(path.glob("TYPE*"))) or "nothing"
    raise InputError(
        f"{path} contains no GLMsingle result in HDF5 (TYPED_FITHRF_GLMDENOISE_RR.hdf5 or .mat); "
        f"found {there}.",
        "Run GLMsingle with wanthdf5=1: .npy results are pickles, which are not opened.",
    )


def _check_grid(path: Path, reference: str) -> int:
    """Compare the shapes of betas and reference; returns the number of trials."""
    expected = header_of(reference).grid.shape
    with open_betas(path) as (betas, reversed_axes):
        shape = shape_of(betas, reversed_axes)
    if shape[:3] != expected:
        raise ContentError(
            f"{path} has betas of {' x '.join(map(str, shape[:3]))} voxels, and the reference "
            f"image {reference} has {' x '.join(map(str, expected))}.",
            "The reference must be an image of the data that GLMsingle was given.",
        )
    return shape[3]


def _labelled(
    path: Path, place: Place, labels: Labels | None, count: int
) -> list[tuple[int, str, str | None, float | None]]:
    """Say of each trial its volume, condition, run, and number of repeats."""
    if labels is not None:
        rows = label_volumes(labels, place, str(path), count)
        return [(volume, row.condition, row.run, row.n) for volume, row in rows]
    design = next((p for p in sorted(path.parent.glob("DESIGNINFO*")) if p.suffix in ENDINGS), None)
    if design is None:
        pickled = " (DESIGNINFO.npy is a pickle, which is not opened)"
        pickled = pickled if (path.parent / "DESIGNINFO.npy").exists() else ""
        raise OptionError(
            f"Nothing says which trial of {path} is which condition{pickled}.",
            f"Give --labels FILE.tsv with the columns condition and run and {count} rows, in the "
            "order of the trials.",
        )
    order, runs = _design(design, count)
    return [(i, c, r, None) for i, (c, r) in enumerate(zip(order, runs, strict=True))]


def _design(path: Path, count: int) -> tuple[list[str], list[str | None]]:
    """Read condition numbers and runs of the trials from DESIGNINFO in HDF5."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            order = [str(int(x)) for x in np.asarray(file["stimorder"]).ravel()]
            per_run = (
                [int(x) for x in np.asarray(file["numtrialrun"]).ravel()]
                if ("numtrialrun" in file)
                else []
            )
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise ContentError(
            f"{path} has no field stimorder that can be read: {error}.",
            "Give --labels FILE.tsv with the columns condition and run instead.",
        ) from error
    if len(order) != count:
        raise ContentError(f"{path} names {len(order)} trials, and there are {count} betas.")
    runs: list[str | None] = [str(r) for r, n in enumerate(per_run, start=1) for _ in range(n)]
    return order, runs if len(runs) == count else [None] * count
