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
from bids_rsa.core.scores import Scores
from bids_rsa.errors import ContentError
from bids_rsa.outputs.bids_uris import source_uris
from bids_rsa.outputs.dataset_files import dataset_lock, write_json
from bids_rsa.outputs.derivatives import PlannedFile, figures_of, is_complete
from bids_rsa.outputs.map_contents import MapContent, MapContents
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
    a map that is replaced are removed first.

    Returns
    -------
    list of Path
        The images.
    """
    used = (*stacked.files, *(noise.files if noise is not None else ()))
    sources = source_uris(used, links)
    contents = MapContents(stacked, scores, models, rsa, sources, noise)
    sidecars: dict[Path, dict[str, Any]] = {}
    paths = [output_dir / file.path for file in planned]
    with replacing_together(paths, _described(output_dir, planned, sidecars)) as beside:
        for file, path in zip(planned, paths, strict=True):
            content = contents.of(file)
            nib.save(_image(content, stacked, contents.evaluated, file), beside[path])
            sidecars[output_dir / file.sidecar] = content.sidecar
    return paths


@contextmanager
def _described(
    output_dir: Path, planned: Sequence[PlannedFile], sidecars: Mapping[Path, dict[str, Any]]
) -> Iterator[None]:
    """Remove sidecars and figures of the old images, and write the new sidecars at the end.

    Other runs may be writing the same masks, for other models: what they have finished with the
    same settings keeps its figures.
    """
    with dataset_lock(output_dir):
        for file in planned:
            if not is_complete(output_dir, [file], ()):
                for figure in figures_of(output_dir, file):
                    figure.unlink(missing_ok=True)
                (output_dir / file.sidecar).unlink(missing_ok=True)
        yield
        for path, content in sidecars.items():
            write_json(path, content)


def _image(
    content: MapContent,
    stacked: StackedPatterns,
    evaluated: NDArray[np.bool_],
    file: PlannedFile,
) -> Any:
    """Put values (n_centers, ...) at the evaluated centres, and another value elsewhere."""
    space, values = stacked.space.centers, content.values
    everywhere = np.full((space.n_locations, *values.shape[1:]), content.fill, values.dtype)
    everywhere[np.flatnonzero(stacked.center_mask)[evaluated]] = values
    return space.image(everywhere, file.part, is_mask=file.is_mask)
