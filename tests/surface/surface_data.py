"""Small datasets on surfaces, as programs write them, and the same data as volumes."""

import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
from meshes import ORIGINS, SHAPES, STEP_MM, flat
from nibabel.cifti2 import BrainModelAxis, Cifti2Header, Cifti2Image, ScalarAxis
from nibabel.gifti import GiftiImage

from bids_rsa.spaces.gifti import maps_image

CONDITIONS = ("a1", "a2", "a3", "b1", "b2", "b3")
RUNS = ("1", "2", "3", "4")


def flat_maps(seed=0):
    """Values (n_vertices,) of each (side, run, condition), float32; b differs from a at a place."""
    rng = np.random.default_rng(seed)
    values = {}
    for side in "LR":
        points, _ = flat(side)
        near = np.linalg.norm(points - points[len(points) // 2], axis=1) < 8
        kinds = {kind: 2 * rng.normal(size=len(points)) * near for kind in "ab"}
        for run in RUNS:
            for name in CONDITIONS:
                values[side, run, name] = (rng.normal(size=len(points)) + kinds[name[0]]).astype(
                    np.float32
                )
    return values


def describe(root, made_by="nilearn"):
    """Start a derivative dataset with a model of the conditions' kinds."""
    root = Path(root)
    (root / "models").mkdir(parents=True)
    text = {"Name": "test", "BIDSVersion": "1.11.1", "DatasetType": "derivative",
            "GeneratedBy": [{"Name": made_by}]}  # fmt: skip
    (root / "dataset_description.json").write_text(json.dumps(text))
    rows = ["\t".join(["condition", *CONDITIONS])]
    for one in CONDITIONS:
        cells = (str(int(one[0] != other[0]) + 0.1 * (one[1] != other[1])) for other in CONDITIONS)
        rows.append("\t".join([one, *cells]))
    lines = [row.split("\t") for row in rows]
    for k in range(1, len(lines)):
        lines[k][k] = "0"
    (root / "models" / "kind.tsv").write_text("\n".join("\t".join(line) for line in lines) + "\n")
    (root / "sub-01" / "func").mkdir(parents=True)
    return root


def stem(run, side=None, space="flat"):
    hemisphere = f"_hemi-{side}" if side else ""
    return f"sub-01_task-x_run-{run}{hemisphere}_space-{space}"


def save_gifti(root, values, ending="statmap.gii", space="flat"):
    """Write a file for each hemisphere, run and condition, as nilearn does."""
    for (side, run, name), own in values.items():
        file = f"{stem(run, side, space)}_contrast-{name}_stat-effect_{ending}"
        nib.save(maps_image(own, side), root / "sub-01" / "func" / file)
    return root


def cifti_axis(n_vertices):
    """The grayordinates of both hemispheres with all their vertices."""
    axes = [
        BrainModelAxis.from_surface(
            np.arange(n_vertices[side]), n_vertices[side], f"CIFTI_STRUCTURE_CORTEX_{name}"
        )
        for side, name in (("L", "LEFT"), ("R", "RIGHT"))
    ]
    return axes[0] + axes[1]


def save_scalars(path, columns, names, axis):
    """Write a .dscalar.nii of maps (n_maps, n_grayordinates)."""
    header = Cifti2Header.from_axes((ScalarAxis(list(names)), axis))
    nib.save(Cifti2Image(np.asarray(columns, np.float32), header=header), path)


def save_cifti(root, values, space="flat"):
    """Write one .dscalar.nii for each run, with conditions as names of its maps."""
    counts = {side: int(np.prod(SHAPES[side])) for side in "LR"}
    for run in RUNS:
        columns = [np.concatenate([values[side, run, n] for side in "LR"]) for n in CONDITIONS]
        path = (
            root / "sub-01" / "func" / f"{stem(run, space=space)}_stat-effect_statmap.dscalar.nii"
        )
        save_scalars(path, columns, CONDITIONS, cifti_axis(counts))
    return root


def save_slab(root, values, side="L"):
    """Write one hemisphere as a slab of voxels."""
    affine = np.diag([STEP_MM, STEP_MM, STEP_MM, 1.0])
    affine[:3, 3] = ORIGINS[side]
    for (own_side, run, name), own in values.items():
        if own_side == side:
            file = f"{stem(run)}_contrast-{name}_stat-effect_statmap.nii.gz"
            volume = own.reshape(*SHAPES[side], 1)
            nib.save(nib.Nifti1Image(volume, affine), root / "sub-01" / "func" / file)
    return root


def maps_of(out, stat, desc="kind", suffix="statmap"):
    """Read the maps of an output: {"L": (n,), "R": (n,)}, or {"": values} of a volume or CIFTI."""
    found = {}
    measure = f"_stat-{stat}" if stat else ""
    for path in Path(out).glob(f"sub-01/func/*{measure}_desc-{desc}_{suffix}.*"):
        if path.suffix == ".json" or (not stat and "_stat-" in path.name):
            continue
        side = path.name.partition("_hemi-")[2][:1]
        image = nib.load(path)
        if isinstance(image, GiftiImage):
            found[side] = np.array([array.data for array in image.darrays]).squeeze()
        else:
            found[""] = np.asarray(image.dataobj).squeeze()
    return found


def keep_values_apart(path):
    """Write the values of a GIFTI file, little endian, into a file beside it."""
    image = nib.load(path)
    beside = path.with_name(f"{path.name.partition('.')[0]}.data")
    blocks = [np.ascontiguousarray(array.data).tobytes() for array in image.darrays]
    beside.write_bytes(b"".join(blocks))
    starts = np.cumsum([0, *map(len, blocks)])
    text = path.read_text()
    text = re.sub(r"(?s)<Data>.*?</Data>", "<Data></Data>", text)
    for start in starts[:-1]:
        text = re.sub(
            r'Encoding="GZipBase64Binary"(.*?)ExternalFileName=""(\s+)ExternalFileOffset="0?"',
            rf'Encoding="ExternalFileBinary"\1ExternalFileName="{beside.name}"\2'
            rf'ExternalFileOffset="{start}"',
            text,
            count=1,
            flags=re.S,
        )
    assert text.count("ExternalFileBinary") == len(blocks)
    path.write_text(text)
