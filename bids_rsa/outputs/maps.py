"""A participant's scores under their final names: images, and last their sidecars."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.comparison.table import find_comparison
from bids_rsa.core.condition_null import NullOfScore
from bids_rsa.core.scores import Scores
from bids_rsa.errors import ContentError
from bids_rsa.models.cells import in_fit, scored
from bids_rsa.outputs.dataset_files import dataset_lock, write_json
from bids_rsa.outputs.derivatives import PlannedFile, is_complete, pictures_of
from bids_rsa.outputs.null_files import (
    null_sidecar,
    null_values,
    outside,
    unequal_images_warning,
)
from bids_rsa.outputs.provenance import bids_uri
from bids_rsa.outputs.reliability_files import reliability_sidecar, reliability_values
from bids_rsa.outputs.sidecars import (
    hemisphere_keys,
    is_area,
    is_shrinkage,
    map_sidecar,
    mask_sidecar,
    noise_keys,
    shared_keys,
)
from bids_rsa.outputs.whole_files import replacing_together
from bids_rsa.patterns.noise_samples import NoiseSamples
from bids_rsa.patterns.stacked import StackedPatterns
from bids_rsa.records import ModelRdm
from bids_rsa.settings import RsaSettings

_PER_VOXEL = ("V", "w")


def metric_parameters(rsa: RsaSettings, patch_mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Read the parameters of the dissimilarity; V and w go from all locations to the patch mask."""
    params = json.loads(rsa.dissimilarity_params)
    for name in _PER_VOXEL:
        if name in params:
            values = np.asarray(params[name], dtype=np.float64).ravel()
            params[name] = values[patch_mask]
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
            f"{label}: no patch of {rsa.radius_mm:g} mm is as large as --min-voxels "
            f"{rsa.min_voxels}; the largest has {scores.n_voxels.max(initial=0)}.",
            "Choose a larger --radius or a smaller --min-voxels.",
        )
    for comparison, values in scores.scores.items():
        rows = np.flatnonzero(np.isnan(values[:, evaluated]).all(axis=1))
        if rows.size:
            scored = find_comparison(comparison).score_names(names)
            without = ", ".join(scored[int(row)] for row in rows)
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
    noise: NoiseSamples | None = None,
) -> list[Path]:
    """Write the images of an analysis, and after all of them their sidecars.

    A sidecar says that its image is finished, and a picture that its map was drawn: the old ones of
    a map that is replaced go first.

    Returns
    -------
    list of Path
        The images.
    """
    evaluated = scores.n_voxels >= rsa.min_voxels
    n_voxels = scores.n_voxels[evaluated]
    used = (*stacked.files, *(noise.files if noise is not None else ()))
    sources = [bids_uri(path, links) for path in used]
    shrinkage = np.empty(0) if scores.shrinkage is None else scores.shrinkage[evaluated]
    own = scored(models)
    names = [model.name for model in own]
    sidecars: dict[Path, dict[str, Any]] = {}
    paths = [output_dir / file.path for file in planned]
    with replacing_together(paths, _described(output_dir, planned, sidecars)) as beside:
        for file, path in zip(planned, paths, strict=True):
            fill = stacked.space.outside
            if file.kind.startswith("reliability") and scores.reliability is not None:
                data: NDArray[Any] = reliability_values(file, scores.reliability[evaluated])
                shared = shared_keys(stacked, sources, file.path)
                content = reliability_sidecar(file, data, shared, scores.halves)
            elif file.kind:
                null = _null_of(file, scores, names)
                data = null_values(file, null, evaluated)
                content = _null_content(file, null, stacked, sources, evaluated, rsa)
                fill = outside(file) if fill == 0 else fill
            elif file.model:
                entry = find_comparison(file.comparison)
                row = entry.score_names(names).index(file.model)
                values = scores.scores[file.comparison][row, evaluated]
                data = values.astype(np.float32)
                fitted = in_fit(models, joint=True) if entry.joint else [own[row]]
                source = "" if entry.pooled else own[row].path
                content = map_sidecar(file, stacked, source, fitted, values, n_voxels, sources)
            elif is_area(file) and scores.areas is not None:
                data = scores.areas[evaluated].astype(np.float32)
                content = mask_sidecar(file, stacked, n_voxels, sources)
            elif is_shrinkage(file):
                data = shrinkage.astype(np.float32)
                content = mask_sidecar(file, stacked, n_voxels, sources)
            else:
                fill = 0.0
                ones = np.ones(n_voxels.size, np.uint8)
                data = ones if file.is_mask else n_voxels.astype(np.int32)
                content = mask_sidecar(file, stacked, n_voxels, sources)
            if noise is not None:
                content |= noise_keys(content, noise, shrinkage)
            areas = np.empty(0) if scores.areas is None else scores.areas[evaluated]
            content |= hemisphere_keys(file, areas)
            nib.save(_image(data, stacked, evaluated, fill, file), beside[path])
            sidecars[output_dir / file.sidecar] = content
    return paths


@contextmanager
def _described(
    output_dir: Path, planned: Sequence[PlannedFile], sidecars: Mapping[Path, dict[str, Any]]
) -> Iterator[None]:
    """Take away what described and showed the old images, and write the new sidecars at the end.

    Other runs may be writing the same masks, for other models: what they have finished with the
    same settings keeps its pictures.
    """
    with dataset_lock(output_dir):
        for file in planned:
            if not is_complete(output_dir, [file], ()):
                for picture in pictures_of(output_dir, file):
                    picture.unlink(missing_ok=True)
                (output_dir / file.sidecar).unlink(missing_ok=True)
        yield
        for path, content in sidecars.items():
            write_json(path, content)


def _null_of(file: PlannedFile, scores: Scores, names: Sequence[str]) -> NullOfScore:
    """Find the null that a file is of."""
    settings = {key: json.loads(text) for key, text in file.settings}
    entry = find_comparison(settings["Comparison"])
    return scores.nulls[entry.name][entry.score_names(names).index(settings["Model"]["Name"])]


def _null_content(
    file: PlannedFile,
    null: NullOfScore,
    stacked: StackedPatterns,
    sources: Sequence[str],
    evaluated: NDArray[np.bool_],
    rsa: RsaSettings,
) -> dict[str, Any]:
    """Gather the sidecar of a file of a null."""
    told = list(unequal_images_warning(stacked.images_per_condition))
    if null.smallest_p > rsa.alpha:
        told.append(
            f"The smallest possible p is {null.smallest_p:.3g}, above alpha "
            f"{rsa.alpha:g}: nothing can be significant."
        )
    return null_sidecar(file, null, shared_keys(stacked, sources, file.path), evaluated, told)


def _image(
    values: NDArray[Any],
    stacked: StackedPatterns,
    evaluated: NDArray[np.bool_],
    fill: float,
    file: PlannedFile,
) -> Any:
    """Put values (n_centers, ...) at the evaluated centres, and another value elsewhere."""
    space = stacked.space.centers
    everywhere = np.full((space.n_locations, *values.shape[1:]), fill, values.dtype)
    everywhere[np.flatnonzero(stacked.center_mask)[evaluated]] = values
    return space.image(everywhere, file.part, is_mask=file.is_mask)
