"""Participants' outputs as the participant level writes them, with a known effect, and a caller."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np

AFFINE = np.array([[4.0, 0, 0, -20], [0, 4, 0, -50], [0, 0, 4, -30], [0, 0, 0, 1]])
SHAPE = (9, 10, 8)
SPACE = "MNI152NLin2009cAsym"
CONDITIONS = ["a", "b", "c", "d", "e", "f", "g", "h"]
N_CELLS = 28
OF_SEARCHLIGHT = {"SearchlightRadius": 8.0, "SearchlightRadiusUnits": "mm", "MinVoxels": 10}


def planted_volume():
    """Where the effect is: a small box in the middle."""
    planted = np.zeros(SHAPE, bool)
    planted[3:6, 4:7, 3:5] = True
    return planted


def inside_volume():
    """The centres every subject has: all but the border."""
    inside = np.zeros(SHAPE, bool)
    inside[1:-1, 1:-1, 1:-1] = True
    return inside


def subject_scores(number, effect=0.6, noise=0.15, seed=7):
    """One subject's scores: noise everywhere, the effect where it is planted."""
    rng = np.random.default_rng([seed, number])
    return np.clip(rng.normal(0, noise, SHAPE) + effect * planted_volume(), -0.95, 0.95)


def write_map(
    out,
    subject,
    scores,
    model="planted",
    comparison="spearman",
    session=None,
    space=SPACE,
    inside=None,
    affine=AFFINE,
    metadata=None,
):
    """Write one map, its mask and their sidecars; return the map's path."""
    inside = inside_volume() if inside is None else inside
    entities = [
        f"sub-{subject}",
        session and f"ses-{session}",
        "task-x",
        space and f"space-{space}",
    ]
    stem = "_".join(filter(None, entities))
    func = Path(out, f"sub-{subject}", *([f"ses-{session}"] if session else []), "func")
    func.mkdir(parents=True, exist_ok=True)
    label = "".join(c for c in comparison if c.isalnum())
    image = func / f"{stem}_stat-{label}_desc-{model}_statmap.nii.gz"
    mask = func / f"{stem}_desc-searchlight_mask.nii.gz"
    nib.save(nib.Nifti1Image(np.where(inside, scores, 0).astype(np.float32), affine), image)
    nib.save(nib.Nifti1Image(inside.astype(np.uint8), affine), mask)
    sidecar = map_sidecar(model, comparison) | (metadata or {})
    write_json(image, sidecar)
    write_json(mask, {"Type": "ROI", **{key: sidecar[key] for key in OF_SEARCHLIGHT}})
    return image


def map_sidecar(model, comparison):
    """What the participant level writes beside a map."""
    return {
        "Dissimilarity": "correlation",
        "DissimilarityParameters": {},
        "Comparison": comparison,
        **OF_SEARCHLIGHT,
        "SearchlightRule": "center distance <= radius",
        "Folds": "none",
        "IgnoreNaN": False,
        "Conditions": CONDITIONS,
        "CellsUsed": N_CELLS,
        "Model": {
            "Name": model,
            "File": f"{model}.tsv",
            "SHA256": hashlib.sha256(model.encode()).hexdigest(),
        },
        "InputStatistic": ["effect"],
        "Warnings": [],
    }


def write_json(image, content):
    """Write the sidecar of an image."""
    Path(str(image).replace(".nii.gz", ".json")).write_text(json.dumps(content))


def write_group(out, n_subjects=8, **keywords):
    """Write one map of each of several subjects; return their scores inside, (n, n_voxels)."""
    scores = [subject_scores(number) for number in range(1, n_subjects + 1)]
    for number, values in enumerate(scores, start=1):
        write_map(out, f"{number:02d}", values, **keywords)
    return as_written(scores)


def as_written(scores):
    """Round scores as the files do, and keep the voxels inside."""
    return np.array([s.astype(np.float32)[inside_volume()] for s in scores], dtype=np.float64)


def write_participants(bids, rows, header="participant_id\tage\tgroup"):
    """Write participants.tsv."""
    bids.mkdir(parents=True, exist_ok=True)
    Path(bids, "participants.tsv").write_text("\n".join([header, *rows]) + "\n")


def group_file(out, part, ending, name=""):
    """The one group file with both parts in its name and this ending."""
    found = [
        path
        for path in Path(out, "group").iterdir()
        if part in path.name and name in path.name and path.name.endswith(ending)
    ]
    assert len(found) == 1, (part, name, ending, found)
    return found[0]


def group_volume(out, stat, name=""):
    """The whole group map of a statistic."""
    path = group_file(out, f"_stat-{stat}_", "_statmap.nii.gz", name)
    return np.asarray(nib.load(path).dataobj, dtype=np.float64)


def group_map(out, stat, name=""):
    """Values of a group map inside, in the order of np.argwhere."""
    return group_volume(out, stat, name)[inside_volume()]


def group_sidecar(out, stat, name=""):
    """The sidecar of a group map."""
    return json.loads(group_file(out, f"_stat-{stat}_", "_statmap.json", name).read_text())


def group_table(out, table, name=""):
    """Rows of a group table as dictionaries."""
    path = group_file(out, f"_{table}", ".tsv", name)
    header, *lines = [line.split("\t") for line in path.read_text().splitlines()]
    return [dict(zip(header, line, strict=True)) for line in lines]


def start(*arguments):
    """Start the app in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "bids_rsa.cli", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def group_bytes(out):
    """Content of all group files but the logs, by name."""
    folder = Path(out, "group")
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "log" not in path.relative_to(folder).parts
    }
