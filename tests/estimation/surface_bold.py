"""Small BOLD datasets on surfaces as fMRIPrep names them, and the same series as volumes."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
from bold_runs import CONDITIONS, TASK, TR, N, confounds, events, matrix, write_json, write_model
from meshes import ORIGINS, SHAPES, STEP_MM
from nibabel.cifti2 import BrainModelAxis, Cifti2Header, Cifti2Image, SeriesAxis
from nibabel.gifti import GiftiDataArray, GiftiImage, GiftiMetaData

from bids_rsa.spaces.hemispheres import STRUCTURES

COUNTS = {side: int(np.prod(shape)) for side, shape in SHAPES.items()}
SIDECAR = {"RepetitionTime": TR, "SliceTimingCorrected": True, "StartTime": TR / 2}
BOLD_NAMES = {
    "gifti": "_hemi-{side}_space-flat_bold.func.gii",
    "cifti": "_space-flat_bold.dtseries.nii",
    "slab": "_space-flat_desc-preproc_bold.nii.gz",
    "line": "_space-flat_desc-preproc_bold.nii.gz",
}


def series_of(betas, counts=COUNTS, runs=(1, 2), noise=5.0, seed=7, level=1000.0):
    """Series (N, n_vertices) of each (side, run): design @ betas around a level, and noise."""
    found = {}
    for run in runs:
        columns = matrix(events(run), confounds(run))[list(CONDITIONS)].to_numpy()
        for side in counts:
            rng = np.random.default_rng([seed, run, ord(side)])
            own = (
                level * (1 + 0.05 * rng.random(counts[side]))
                + columns @ betas[side]
                + noise * rng.normal(size=(N, counts[side]))
            )
            found[side, run] = own.astype(np.float32)
    return found


def make_surface_dataset(root, series, form, space="flat", subject="01"):
    """Raw events, and derivatives with the series in files of one form."""
    root = Path(root)
    prep = root / "derivatives" / "fmriprep"
    write_json(root / "dataset_description.json", {"Name": "t", "BIDSVersion": "1.11.1"})
    description = {"Name": "f", "BIDSVersion": "1.11.1", "DatasetType": "derivative",
                   "GeneratedBy": [{"Name": "fMRIPrep"}]}  # fmt: skip
    write_json(prep / "dataset_description.json", description)
    func, out = (folder / f"sub-{subject}" / "func" for folder in (root, prep))
    func.mkdir(parents=True, exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    for run in sorted({run for _, run in series}):
        stem = f"sub-{subject}_task-{TASK}_run-{run}"
        events(run).to_csv(func / f"{stem}_events.tsv", sep="\t", index=False)
        write_json(func / f"{stem}_bold.json", {"TaskName": TASK, "RepetitionTime": TR})
        table = out / f"{stem}_desc-confounds_timeseries.tsv"
        confounds(run).to_csv(table, sep="\t", index=False)
        own = {side: values for (side, number), values in series.items() if number == run}
        name = BOLD_NAMES[form].replace("space-flat", f"space-{space}")
        _SAVERS[form](out / f"{stem}{name}", own)
        if form in ("slab", "line"):
            path = str(out / f"{stem}{name}").replace("desc-preproc_bold", "desc-brain_mask")
            image = nib.load(out / f"{stem}{name}")
            inside = np.ones(image.shape[:3], np.uint8)
            nib.save(nib.Nifti1Image(inside, image.affine), path)
    write_model(root / "derivatives" / "models" / "m.tsv")
    return root


def _sidecar(path):
    """Write the JSON beside an image."""
    write_json(str(path).partition("_bold.")[0] + "_bold.json", SIDECAR)


def save_func_gii(path, values, side, metadata=None):
    """Write a .func.gii with an array for each volume, as fMRIPrep's are."""
    arrays = [GiftiDataArray(one, "NIFTI_INTENT_TIME_SERIES") for one in values]
    meta = GiftiMetaData({"AnatomicalStructurePrimary": STRUCTURES[side], **(metadata or {})})
    nib.save(GiftiImage(meta=meta, darrays=arrays), path)


def _save_gifti(path, own):
    for side, values in own.items():
        name = str(path).format(side=side)
        save_func_gii(name, values, side)
        _sidecar(name)


def series_axes(values, counts=COUNTS, step=TR):
    """The axes of a dense series of both hemispheres with all their vertices."""
    names = {"L": "CIFTI_STRUCTURE_CORTEX_LEFT", "R": "CIFTI_STRUCTURE_CORTEX_RIGHT"}
    left, right = (
        BrainModelAxis.from_surface(np.arange(counts[side]), counts[side], names[side])
        for side in "LR"
    )
    return SeriesAxis(0, step, len(values)), left + right


def save_dtseries(path, values, axes):
    """Write a .dtseries.nii of (n_volumes, n_grayordinates)."""
    header = Cifti2Header.from_axes(axes)
    image = Cifti2Image(np.asarray(values, np.float32), header=header)
    image.nifti_header.set_intent("NIFTI_INTENT_CONNECTIVITY_DENSE_SERIES")
    nib.save(image, path)


def _save_cifti(path, own):
    values = np.concatenate([own["L"], own["R"]], axis=1)
    save_dtseries(path, values, series_axes(values))
    _sidecar(path)


def _save_volume(path, volumes, origin):
    affine = np.diag([STEP_MM, STEP_MM, STEP_MM, 1.0])
    affine[:3, 3] = origin
    image = nib.Nifti1Image(np.moveaxis(volumes, 0, -1), affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((STEP_MM, STEP_MM, STEP_MM, TR))
    nib.save(image, path)
    _sidecar(path)


def _save_slab(path, own):
    """The left hemisphere as a slab of voxels."""
    _save_volume(path, own["L"].reshape(N, *SHAPES["L"], 1), ORIGINS["L"])


def _save_line(path, own):
    """All vertices as a line of voxels."""
    _save_volume(path, np.concatenate([own["L"], own["R"]], axis=1)[..., None, None], (0, 0, 0))


_SAVERS = {"gifti": _save_gifti, "cifti": _save_cifti, "slab": _save_slab, "line": _save_line}


def estimates(out, stat="effect", subject="01"):
    """Read the estimates of an output: {(run, condition): values of both hemispheres}."""
    found = {}
    for path in sorted(Path(out).glob(f"sub-{subject}/func/*_stat-{stat}_statmap.*")):
        if path.suffix == ".json" or "_hemi-R" in path.name:
            continue
        run = int(path.name.partition("_run-")[2].partition("_")[0])
        condition = path.name.partition("contrast-")[2].partition("_")[0]
        values = [read_maps(path)]
        if "_hemi-L" in path.name:
            values.append(read_maps(str(path).replace("_hemi-L", "_hemi-R")))
        found[run, condition] = np.concatenate(values)
    return found


def read_maps(path):
    """Read a file of maps: (n_locations, n_maps)."""
    image = nib.load(path)
    if isinstance(image, GiftiImage):
        return np.stack([array.data for array in image.darrays], axis=-1)
    data = np.asarray(image.dataobj).copy()  # not mapped: the file may be written again
    if isinstance(image, Cifti2Image):
        return data.T
    return data.reshape(int(np.prod(data.shape[:3])), -1)


def design_of(out, run, subject="01"):
    """Read the sidecar of a run's design."""
    (path,) = Path(out).glob(f"sub-{subject}/func/*_run-{run}_*_design.json")
    return json.loads(path.read_text())
