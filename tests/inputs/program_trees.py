"""Each producer's files as that program writes them, and checks of what is found among them.

Layouts:
- nilearn: run here.
- fitlins, BEP041 names: test_discovery.py.
- NiBetaSeries: src/nibetaseries/interfaces/tests/test_bids.py of HBClab/NiBetaSeries.
- bidspm: src/workflows/stats/bidsConcatBetaTmaps.m of cpp-lln-lab/bidspm.
- SPM: spm_fMRI_design.m (names Sn(r) x*bf(k), Sn(r) R1, Sn(r) constant), spm_spm.m (Vbeta), and
  spm_contrasts.m (xCon.Vcon, xCon.Vspm) of SPM12; SPM99's beta_%04d.img.
- AFNI: create_GLT_index of 3dREMLfit.c and 3dDeconvolve.c (labels), and a HEAD that AFNI wrote,
  which comes with nibabel's tests.
- GLMsingle: glmsingle.py (wanthdf5) and save_glmsingle_outputs_h5 in utils/h5_utils.py of
  cvnlab/GLMsingle: arrays are datasets, None an empty one, scalars attributes of the file, ragged
  lists groups. It is not on the package index, so it is not run here. MATLAB v7.3 files are HDF5
  with axes in reverse order and the attribute MATLAB_class.
- FEAT: real folders, where ../shared is.
"""

import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from input_trees import AFFINE, find
from scipy.io import savemat

from bids_rsa.errors import BidsRsaError
from bids_rsa.patterns.stacking import stack_analysis
from bids_rsa.settings import RsaSettings

SHAPE = (5, 4, 3)
NAMES = ("face", "house", "cat")
RUNS = RsaSettings(folds="runs", radius_mm=3.0)
DERIVATIVES = "hrf (with time derivative)"


def planted(seed=0, runs=("1", "2"), names=NAMES, n=1):
    """An array for each run and condition (n trials: mean over the last axis)."""
    rng = np.random.default_rng(seed)
    return {(r, c): rng.normal(size=(*SHAPE, n)).astype("f4") for r in runs for c in names}


def save(path, data, affine=AFFINE, kind=nib.Nifti1Image):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    kind(np.asarray(data, "f4"), affine).to_filename(path)
    return str(path)


def check(analysis, values, rsa=RUNS):
    """Patterns read through discovery are the planted ones, run by run."""
    stacked = stack_analysis(analysis, rsa)
    runs = list(dict.fromkeys(run for run, _ in values))
    assert len(stacked.fold_labels) == len(runs)
    for fold, run in enumerate(runs):
        for i, condition in enumerate(stacked.conditions):
            expected = values[run, condition].mean(axis=-1).ravel()[stacked.patch_mask]
            np.testing.assert_allclose(stacked.patterns[:, fold, i], expected, rtol=1e-5, atol=1e-6)
    return stacked


def one(tmp_path, root, conditions=NAMES, **kwargs):
    (analysis,) = find(root, tmp_path, conditions=conditions, **kwargs).analyses
    return analysis


def fails(expected, code, words, tmp_path, root, conditions=NAMES, **kwargs):
    with pytest.raises(BidsRsaError) as caught:
        find(root, tmp_path, conditions=conditions, **kwargs)
    assert isinstance(caught.value, expected), repr(caught.value)
    assert caught.value.exit_code == code
    for word in words:
        assert str(word) in str(caught.value)


def beta_series(root, values, sub="01"):
    for (run, condition), data in values.items():
        stem = f"sub-{sub}_ses-pre_task-waffles_run-{run}_space-MNI152NLin2009cAsym"
        folder = root / f"sub-{sub}/ses-pre/func"
        save(folder / f"{stem}_desc-{condition}_betaseries.nii.gz", data)


def bidspm(root, values, labels=None, rows=None):
    folder = root / "sub-01/task-x_space-IXI549Space_FWHM-0"
    keys = list(values)
    for suffix, sign in (("beta", 1), ("tmap", -1)):
        stack = np.concatenate([sign * values[k] for k in keys], axis=3)
        save(folder / f"sub-01_task-x_space-IXI549Space_desc-4D_{suffix}.nii", stack)
    rows = rows or [f"{run}\t{c}*bf(1)" for run, c in keys]
    table = folder / "sub-01_task-x_space-IXI549Space_labelfold.tsv"
    table.write_text("\n".join([labels or "folds\tlabels", *rows]) + "\n")
    return table


def spm_names(values, runs, motion=2, bases=2):
    """Regressors and their arrays in SPM's order: session by session, constants last."""
    names, arrays = [], []
    for r in runs:
        for c in dict.fromkeys(c for _, c in values):
            for k in range(1, bases + 1):
                names.append(f"Sn({r}) {c}*bf({k})")
                arrays.append(values[r, c][..., 0] * (1 if k == 1 else 99))
        for k in range(1, motion + 1):
            names.append(f"Sn({r}) R{k}")
            arrays.append(np.full(SHAPE, 77.0))
    for r in runs:
        names.append(f"Sn({r}) constant")
        arrays.append(np.full(SHAPE, 1000.0))
    return names, arrays


def spm_struct(names, files, contrasts, basis=DERIVATIVES):
    def array(rows, fields):
        out = np.zeros((1, len(rows)), dtype=[(f, object) for f in fields])
        for i, row in enumerate(rows):
            out[0, i] = row
        return out

    cell = np.empty((1, len(names)), dtype=object)
    cell[0, :] = names
    con = array(
        [(n, "T", {"fname": f"con_{i:04d}.nii"}, {"fname": f"spmT_{i:04d}.nii"})
         for i, n in enumerate(contrasts, 1)] + [("all", "F", {"fname": "e"}, {"fname": "F"})],
        ("name", "STAT", "Vcon", "Vspm"),
    )  # fmt: skip
    betas = array([(f, f"spm_spm:beta - {n}") for f, n in zip(files, names, strict=True)],
                  ("fname", "descrip"))  # fmt: skip
    return {
        "xX": {"name": cell}, "Vbeta": betas, "xCon": con, "swd": "/old/machine/stats",
        "xBF": {"name": basis, "order": 2},
    }  # fmt: skip


def spm_v73(path, names, files, contrasts, basis=DERIVATIVES):
    """SPM.mat as MATLAB writes v7.3: HDF5 with a MATLAB header, cells and structs by reference."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w", userblock_size=512) as file:
        refs = file.create_group("#refs#")

        def text(value):
            codes = np.array([[ord(c)] for c in value], dtype="u2")
            item = refs.create_dataset(f"r{len(refs)}", data=codes)
            item.attrs["MATLAB_class"] = np.bytes_("char")
            return item.ref

        def cells(group, name, references):
            data = np.array(references, dtype=h5py.ref_dtype).reshape(-1, 1)
            group.create_dataset(name, data=data, dtype=h5py.ref_dtype)

        spm = file.create_group("SPM")
        spm.create_group("xBF")["name"] = file[text(basis)]
        cells(spm.create_group("xX"), "name", [text(n) for n in names])
        cells(spm.create_group("Vbeta"), "fname", [text(f) for f in files])
        con = spm.create_group("xCon")
        cells(con, "name", [text(n) for n in [*contrasts, "all"]])
        cells(con, "STAT", [text("T") for _ in contrasts] + [text("F")])
        for field, stem in (("Vcon", "con"), ("Vspm", "spmT")):
            handles = []
            for i in range(len(contrasts) + 1):
                handle = refs.create_group(f"h{len(refs)}")
                handle["fname"] = file[text(f"{stem}_{i + 1:04d}.nii")]
                handles.append(handle.ref)
            cells(con, field, handles)
    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Jan  1 00:00:00 2024 HDF5"
    with path.open("r+b") as stream:
        stream.write(head.ljust(116) + bytes(8) + b"\x00\x02IM")


def spm_folder(
    folder, values, runs=("1", "2"), version="v7", ending=".nii", prefix="", nan=True,
    basis=DERIVATIVES, bases=2, n_volumes=None, dof=None,
):  # fmt: skip
    names, arrays = spm_names(values, runs, bases=bases)
    folder.mkdir(parents=True, exist_ok=True)
    kind = nib.Nifti1Image if ending.startswith(".nii") else nib.Spm2AnalyzeImage
    for i, data in enumerate(arrays, 1):
        data = np.array(data, "f4")
        if nan:
            data[0] = np.nan
        save(folder / f"beta_{i:04d}{ending}", data, kind=kind)
    files = [f"{prefix}beta_{i:04d}{ending}" for i in range(1, len(names) + 1)]
    contrasts = [f"{c} - Session {r}" for c in NAMES for r in runs]
    for i, name in enumerate(contrasts, 1):
        c, r = name.split(" - Session ")
        save(folder / f"con_{i:04d}.nii", 2 * values[r, c][..., 0])
        save(folder / f"spmT_{i:04d}.nii", 3 * values[r, c][..., 0])
    if version == "v73":
        spm_v73(folder / "SPM.mat", names, files, contrasts, basis)
    else:
        struct = spm_struct(names, files, contrasts, basis)
        if n_volumes is not None:  # of each session
            struct |= {"nscan": np.array([n_volumes], float)}
            struct["xX"]["erdf"] = dof
        savemat(folder / "SPM.mat", {"SPM": struct}, do_compression=version == "v7")
    return folder


def feat(folder, values, run, con=None):
    for i, c in enumerate(NAMES, 1):
        data = values[run, c][..., 0]
        for k, (stem, factor) in enumerate(
            (("cope", 1), ("tstat", 2), ("zstat", 3), ("varcope", None))
        ):
            image = data * factor if factor else np.full(SHAPE, float(i + k))
            save(folder / f"stats/{stem}{i}.nii.gz", image)
    lines = [f"/ContrastName{i}\t{c} " for i, c in enumerate(NAMES, 1)]
    text = con if con is not None else "\n".join([*lines, "/NumWaves\t3", "/Matrix", "1 0 0"])
    (folder / "design.con").write_text(text)


def afni(folder, name, volumes, compressed=False):
    """A bucket with the header that AFNI itself wrote for another one, its sub-bricks replaced."""
    source = Path(nib.__file__).parent / "tests/data/example4d+orig.HEAD"
    labels, data = list(volumes), np.stack([np.asarray(v, "<f4") for v in volumes.values()], axis=3)
    n = len(labels)
    text = "~".join(labels) + "~"
    new = {
        "DATASET_RANK": f"count = 8\n 3 {n} 0 0 0\n 0 0 0",
        "DATASET_DIMENSIONS": f"count = 5\n {SHAPE[0]} {SHAPE[1]} {SHAPE[2]} 0 0",
        "BRICK_TYPES": f"count = {n}\n" + " 3" * n,
        "BRICK_FLOAT_FACS": f"count = {n}\n" + " 0" * n,
        "BRICK_STATS": f"count = {2 * n}\n" + " 0 1" * n,
        "BRICK_LABS": f"count = {len(text)}\n'{text}",
    }
    blocks = source.read_text().split("\n\n")
    for i, block in enumerate(blocks):
        key = re.search(r"name\s*=\s*(\S+)", block)
        if key and key[1] in new:
            blocks[i] = re.sub(r"count = .*", lambda _, k=key[1]: new[k], block, flags=re.S)
    blocks = [b for b in blocks if "TAXIS" not in b]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.HEAD").write_text("\n\n".join(blocks))
    raw = data.tobytes(order="F")
    if compressed:
        import gzip

        (folder / f"{name}.BRIK.gz").write_bytes(gzip.compress(raw))
    else:
        (folder / f"{name}.BRIK").write_bytes(raw)


def bucket(values, run="1", parameters=1):
    volumes = {"Full_Fstat": np.full(SHAPE, 9.0)}
    for c in NAMES:
        for k in range(parameters):
            volumes[f"{c}#{k}_Coef"] = values[run, c][..., k]
            volumes[f"{c}#{k}_Tstat"] = -values[run, c][..., k]
        volumes[f"{c}_Fstat"] = np.full(SHAPE, 8.0)
    return volumes


def trials(values):
    """Betas (X, Y, Z, trial) in an order that mixes the conditions, with their labels."""
    order = [(r, c, k) for (r, c), v in values.items() for k in range(v.shape[3])]
    order = [order[i] for i in np.random.default_rng(1).permutation(len(order))]
    order.sort(key=lambda item: item[0])
    betas = np.stack([values[r, c][..., k] for r, c, k in order], axis=3)
    return betas, order


def glmsingle(folder, betas, matlab=False, name="TYPED_FITHRF_GLMDENOISE_RR"):
    h5py = pytest.importorskip("h5py")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.{'mat' if matlab else 'hdf5'}"
    with h5py.File(path, "w") as file:
        if matlab:
            data = file.create_dataset("modelmd", data=betas.T)
            data.attrs["MATLAB_class"] = np.bytes_("single")
        else:
            file.create_dataset("betasmd", data=betas)
            file.create_dataset("HRFindex", data=np.zeros(SHAPE))
            file.create_dataset("glmbadness", data=h5py.Empty("f"))
            ragged = file.create_group("scaleoffset")
            ragged.create_dataset("0", data=np.zeros(2))
            ragged.create_dataset("1", data=np.zeros(3))
            ragged.attrs["__glmsingle_ragged_list__"] = True
            file.attrs["pcnum"] = 3
    return path


def label_table(path, order, **extra):
    rows = [f"{c}\t{r}" for r, c, _ in order]
    path.write_text("\n".join(["condition\trun", *rows]) + "\n")
    return str(path)
