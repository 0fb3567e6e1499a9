"""Helpers of the app's tests: run the command as a user does, look at what it left."""

import json
import sys
from pathlib import Path

import app_process
import nibabel as nib
import numpy as np

COMMAND = (sys.executable, "-m", "bids_rsa.cli")
RADIUS = ("--radius", "16")  # the small dataset has voxels of 10 mm


def run_app(*arguments, **keywords):
    """Run the app; with ``keywords`` of `subprocess.run` in a process of its own."""
    if keywords:
        return app_process.run_alone(*arguments, **keywords)
    return app_process.run_app(*arguments)


def files_under(folder):
    """All files under final names: what is not hidden, relative to the folder."""
    folder = Path(folder)
    if not folder.exists():
        return set()
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in paths if not any(p.startswith(".") for p in path.parts)}


def contents(folder):
    """Bytes of all images, sidecars and pictures of the participants, by name."""
    names = [name for name in files_under(folder) if "/log/" not in name and "/" in name]
    return {name: (Path(folder) / name).read_bytes() for name in names}


def sidecar(folder, subject, ending):
    """The JSON of the one file of a subject whose name ends so."""
    (path,) = Path(folder).glob(f"sub-{subject}/**/*{ending}.json")
    return json.loads(path.read_text())


def image(folder, subject, ending):
    """The one image of a subject whose name ends so."""
    (path,) = Path(folder).glob(f"sub-{subject}/**/*{ending}.nii.gz")
    return nib.load(path)


def rewrite(path, change):
    """Apply a function to an image's data, in place."""
    loaded = nib.load(path)
    data = change(np.asarray(loaded.dataobj).copy())
    nib.save(nib.Nifti1Image(data, loaded.affine), path)
