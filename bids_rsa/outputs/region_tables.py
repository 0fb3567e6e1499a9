"""The tables of a participant's regions: their columns, and their rows as text."""

from __future__ import annotations

import gzip
import io
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import scipy
from numpy.typing import NDArray

from bids_rsa.core.comparison.table import find_comparison
from bids_rsa.core.plain_statistics import spearman_brown
from bids_rsa.models.cells import scored
from bids_rsa.outputs.whole_files import replacing
from bids_rsa.records import ModelRdm
from bids_rsa.regions.region import Region

if TYPE_CHECKING:
    from bids_rsa.regions.compute import RegionScores

COLUMNS = {
    "index": "Index of the region in the label image; of masks and spheres their number",
    "name": "Name of the region",
    "n_voxels": "Number of the region's voxels (on surfaces, vertices) inside the images and all "
    "masks",
    "coverage": "Share of the region that is inside the images and all masks; n/a for a region "
    "that the label image lacks",
    "comparison": "How the RDM of the region was compared with the model",
    "model": "Name of the model; allmodels for a score of all models together",
    "score": "Score; n/a where undefined",
}
NULL_COLUMNS = {
    "p": "p of the score under permutations of conditions, not corrected",
    "z": "Score minus the mean of those under permutations, over their standard deviation",
    "p_fwe": "p corrected by the maximum over the regions",
}
RELIABILITY_COLUMNS = {
    "reliability": "Agreement of the RDMs of two halves of the data, odd and even runs or folds",
    "reliability_corrected": "Reliability of all data, predicted by Spearman and Brown",
}
RDM_COLUMNS = {
    "index": COLUMNS["index"],
    "name": COLUMNS["name"],
    "condition_1": "First condition",
    "condition_2": "Second condition",
    "value": "Dissimilarity of the two conditions; n/a where undefined",
    "n_voxels": COLUMNS["n_voxels"],
}


def scores_table(regions: Sequence[Region], found: RegionScores, models: Sequence[ModelRdm]) -> str:
    """Write the scores as TSV: a row for each region, comparison and model."""
    names = [model.name for model in scored(models)]
    columns = [*COLUMNS, *(NULL_COLUMNS if found.nulls else ())]
    rows = [columns + [*RELIABILITY_COLUMNS] * bool(found.halves)]
    for place, region in enumerate(regions):
        head = [str(region.index), region.name, str(found.n_voxels[place]),
                exact_number(found.coverage[place])]  # fmt: skip
        for comparison, scores in found.scores.items():
            row_names = find_comparison(comparison).score_names(names)
            for row, name in enumerate(row_names):
                null = found.nulls[comparison][:, row, place] if found.nulls else ()
                values = [scores[row, place], *null]
                if found.halves:
                    own = found.reliability[place]
                    values += [own, float(spearman_brown(own))]
                rows.append([*head, comparison, name, *map(exact_number, values)])
    return as_lines(rows)


def null_table(regions: Sequence[Region], found: RegionScores, models: Sequence[ModelRdm]) -> str:
    """Write the kept scores under permutations as TSV: a column for each permutation."""
    names = [model.name for model in scored(models)]
    draws = [f"permutation_{draw + 1}" for draw in range(found.n_kept)]
    rows = [["index", "name", "comparison", "model", *draws]]
    for place, region in enumerate(regions):
        for comparison, kept in found.kept.items():
            for row, name in enumerate(find_comparison(comparison).score_names(names)):
                values = map(exact_number, kept[:, row, place].tolist())
                rows.append([str(region.index), region.name, comparison, name, *values])
    return as_lines(rows)


def rdms_table(regions: Sequence[Region], found: RegionScores, conditions: Sequence[str]) -> str:
    """Write all RDMs as one long TSV; regions that their label image lacks are left out."""
    pairs = [f"{first}\t{second}" for first, second in itertools.combinations(conditions, 2)]
    lines = ["\t".join(RDM_COLUMNS)]
    for place, region in enumerate(regions):
        if not region.present:
            continue
        size = found.n_voxels[place]
        lines += [
            f"{region.index}\t{region.name}\t{pair}\t{exact_number(value)}\t{size}"
            for pair, value in zip(pairs, found.rdms[place].tolist(), strict=True)
        ]
    return "\n".join(lines) + "\n"


def relmat_text(rdm: NDArray[np.float64], conditions: Sequence[str]) -> str:
    """Write an RDM as a square TSV, condition names as header and first column."""
    square = scipy.spatial.distance.squareform(rdm, checks=False)
    rows = [["", *conditions]]
    rows += [
        [name, *map(exact_number, values)]
        for name, values in zip(conditions, square.tolist(), strict=True)
    ]
    return as_lines(rows)


def exact_number(value: float) -> str:
    """Write a number so that it is read back exactly, NaN as n/a."""
    return repr(float(value)) if np.isfinite(value) else "n/a"


def as_lines(rows: Iterable[Sequence[str]]) -> str:
    """Write a TSV."""
    return "".join("\t".join(row) + "\n" for row in rows)


def write_gzip(path: Path, text: str) -> None:
    """Write a compressed table; the same table gives the same bytes."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0, compresslevel=6) as stream:
        stream.write(text.encode())
    with replacing(path) as beside:
        beside.write_bytes(buffer.getvalue())
