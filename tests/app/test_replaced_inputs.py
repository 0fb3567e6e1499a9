"""An input that is replaced while a run reads it must not keep its old hash."""

import os
import shutil
from pathlib import Path

import nibabel as nib
import pytest
from app_runs import RADIUS

from bids_rsa.dataset import find_analyses
from bids_rsa.errors import ReadWriteError
from bids_rsa.interfaces.participant import ReadPatterns
from bids_rsa.models.loading import load_models
from bids_rsa.outputs.input_hashes import hash_analysis
from bids_rsa.settings import InputSettings, RsaSettings, Selection


@pytest.fixture
def reading(small_dataset, tmp_path, monkeypatch):
    """A masking node as the app plans it, on a copy of the data, and the files it reads."""
    root = tmp_path / "data"
    shutil.copytree(small_dataset, root)
    inputs = InputSettings(
        str(root),
        models=(str(root / "models/planted.tsv"),),
        selection=Selection(participant_label=("01",)),
    )
    rsa = RsaSettings(radius_mm=float(RADIUS[1]), min_voxels=1)
    (analysis,) = find_analyses(inputs, rsa, load_models(inputs), str(tmp_path / "out")).analyses
    monkeypatch.chdir(tmp_path)
    hashes = hash_analysis(analysis)
    node = ReadPatterns(
        analysis=analysis,
        reading=rsa.reading,
        input_hashes=hashes.images,
        version="1",
        files=hashes.files,
    )
    return node, analysis


def test_what_was_not_touched_is_read(reading):
    node, _ = reading
    assert all(Path(path).exists() for path in node.run().outputs.stacked)


def other_values(path):
    """The same image with one value changed, in a new file of the same name."""
    image = nib.load(path)
    changed = image.get_fdata()
    changed.flat[changed.argmax()] *= 1.001
    beside = path.with_name("beside.nii.gz")
    nib.save(nib.Nifti1Image(changed, image.affine), beside)
    return beside


@pytest.mark.parametrize("kind", ["image", "mask"])
def test_a_file_that_is_replaced_is_refused_though_its_time_is_kept(reading, kind):
    node, analysis = reading
    path = Path(analysis.images[0].path if kind == "image" else analysis.brain_mask.paths[0])
    times = path.stat()
    beside = other_values(path)
    os.utime(beside, ns=(times.st_atime_ns, times.st_mtime_ns))
    beside.replace(path)
    with pytest.raises(ReadWriteError, match=f"{path.name} was changed or replaced"):
        node.run()


def test_another_file_with_the_same_content_is_none_the_worse(reading):
    node, analysis = reading
    for path in {Path(image.path) for image in analysis.images}:
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
    assert all(Path(path).exists() for path in node.run().outputs.stacked)
