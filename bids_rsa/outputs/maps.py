"""Patterns and scores to files and back, and from there to a participant's derivatives."""

import json
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.comparison.table import find_comparison
from bids_rsa.core.searchlight import Scores
from bids_rsa.errors import ContentError
from bids_rsa.outputs.dataset_files import write_json
from bids_rsa.outputs.derivatives import PlannedFile
from bids_rsa.outputs.provenance import bids_uri
from bids_rsa.outputs.sidecars import map_sidecar, mask_sidecar
from bids_rsa.outputs.whole_files import save_image
from bids_rsa.patterns.stacking import StackedPatterns
from bids_rsa.records import ModelRdm
from bids_rsa.settings import RsaSettings
from bids_rsa.spaces.images import volume_image

_PER_VOXEL = ("V", "w")


def save_stacked(stacked: StackedPatterns, folder: Path) -> str:
    """Save patterns and what belongs to them; return the path."""
    path = folder / "stacked.pickle"
    with path.open("wb") as file:
        pickle.dump(replace(stacked, template=_header_only(stacked)), file, protocol=5)
    return str(path)


def _header_only(stacked: StackedPatterns) -> Any:
    """Keep the header of the first image, without a handle on its file."""
    if stacked.template is None:
        return None
    return volume_image(np.zeros((1, 1, 1), np.uint8), stacked.affine, stacked.template)


def load_stacked(path: str) -> StackedPatterns:
    """Load what `save_stacked` saved, from the app's own work directory."""
    with Path(path).open("rb") as file:
        stacked: StackedPatterns = pickle.load(file)
    return stacked


def save_scores(scores: Scores, folder: Path) -> str:
    """Save scores and patch sizes; return the path."""
    path = folder / "scores.npz"
    arrays: dict[str, Any] = {f"score {name}": values for name, values in scores.scores.items()}
    np.savez(path, n_voxels=scores.n_voxels, **arrays)
    return str(path)


def load_scores(path: str) -> Scores:
    """Load what `save_scores` saved."""
    with np.load(path) as arrays:
        scores = {
            name.removeprefix("score "): arrays[name]
            for name in arrays.files
            if name.startswith("score ")
        }
        return Scores(scores=scores, n_voxels=arrays["n_voxels"])


def metric_parameters(rsa: RsaSettings, patch_mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Read the parameters of the dissimilarity; V and w go from the grid to the patch mask."""
    params = json.loads(rsa.dissimilarity_params)
    for name in _PER_VOXEL:
        if name in params:
            values = np.asarray(params[name], dtype=np.float64).ravel()
            params[name] = values[patch_mask.ravel()]
    return params


def evaluated_centers(
    scores: Scores, rsa: RsaSettings, label: str, names: Sequence[str]
) -> NDArray[np.bool_]:
    """Find the centres whose patch is large enough.

    Raises
    ------
    ContentError
        If there is none, or all scores of a map are undefined; ``names`` are the models'.
    """
    evaluated = scores.n_voxels >= rsa.min_voxels
    if not evaluated.any():
        raise ContentError(
            f"{label}: no centre has {rsa.min_voxels} voxels within {rsa.radius_mm:g} mm; the "
            f"largest patch has {scores.n_voxels.max(initial=0)}.",
            "Choose a larger --radius or a smaller --min-voxels.",
        )
    for comparison, values in scores.scores.items():
        rows = np.flatnonzero(np.isnan(values[:, evaluated]).all(axis=1))
        if rows.size:
            without = ", ".join(names[int(row)] for row in rows)
            raise ContentError(
                f"{label}: the {comparison} score of {without} is "
                f"undefined at each of the {evaluated.sum()} centres (constant patterns or RDMs, "
                "NaN in every patch, or too few cells).",
                "Check the images and models; --ignore-nan takes NaN for missing values.",
            )
    return evaluated


def write_maps(
    output_dir: Path,
    planned: Sequence[PlannedFile],
    stacked: StackedPatterns,
    scores: Scores,
    models: Sequence[ModelRdm],
    rsa: RsaSettings,
    links: Mapping[str, str],
) -> list[Path]:
    """Write the images of a group, and after all of them their sidecars.

    A sidecar says that its image is finished, so the old ones go first and the new ones come last.

    Returns
    -------
    list of Path
        The images.
    """
    for file in planned:
        (output_dir / file.sidecar).unlink(missing_ok=True)
    evaluated = scores.n_voxels >= rsa.min_voxels
    n_voxels = scores.n_voxels[evaluated]
    sources = [bids_uri(path, links) for path in stacked.files]
    by_name = {model.name: (row, model) for row, model in enumerate(models)}
    sidecars = {}
    for file in planned:
        if file.model:
            row, model = by_name[file.model]
            values = scores.scores[file.comparison][row, evaluated]
            _save(output_dir / file.path, values.astype(np.float32), stacked, evaluated)
            fitted = models if find_comparison(file.comparison).joint else [model]
            content = map_sidecar(file, stacked, model, fitted, values, n_voxels, sources)
        else:
            is_mask = file.path.endswith("_mask.nii.gz")
            data = np.ones(n_voxels.size, np.uint8) if is_mask else n_voxels.astype(np.int32)
            _save(output_dir / file.path, data, stacked, evaluated)
            content = mask_sidecar(file, stacked, n_voxels, sources)
        sidecars[output_dir / file.sidecar] = content
    for path, content in sidecars.items():
        write_json(path, content)
    return [output_dir / file.path for file in planned]


def _save(
    path: Path, values: NDArray[Any], stacked: StackedPatterns, evaluated: NDArray[np.bool_]
) -> None:
    """Put values at the evaluated centres, 0 elsewhere, and save the image."""
    volume = np.zeros(stacked.center_mask.shape, values.dtype)
    centers = np.argwhere(stacked.center_mask)[evaluated]
    volume[tuple(centers.T)] = values
    save_image(volume_image(volume, stacked.affine, stacked.template), path)
