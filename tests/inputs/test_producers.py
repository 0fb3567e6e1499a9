"""Each producer's files, as that program writes them, are found and their values read back."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from input_trees import AFFINE, describe, find, mask, model, statmaps
from program_trees import (
    NAMES,
    RUNS,
    SHAPE,
    afni,
    beta_series,
    bidspm,
    bucket,
    check,
    fails,
    feat,
    glmsingle,
    label_table,
    one,
    planted,
    save,
    spm_folder,
    spm_struct,
    trials,
)
from scipy.io import savemat

from bids_rsa.dataset import find_analyses, list_participants
from bids_rsa.errors import ContentError, InputError, OptionError, SelectionError
from bids_rsa.models.loading import load_models
from bids_rsa.patterns.stacking import stack_analysis
from bids_rsa.producers.names import BIDS_NAMED, FOLDERS
from bids_rsa.producers.recognise import BIDS_NAMED as BIDS_READERS
from bids_rsa.producers.recognise import FOLDERS as FOLDER_READERS
from bids_rsa.settings import InputSettings, RsaSettings, Selection


def test_the_names_on_the_command_line_are_the_readers():
    assert tuple(BIDS_READERS) == BIDS_NAMED
    assert tuple(FOLDER_READERS) == FOLDERS


# ---------------------------------------------------------------- nilearn, run for real


@pytest.fixture(scope="module")
def nilearn_output(tmp_path_factory):
    from nilearn.glm.first_level import FirstLevelModel

    try:
        from nilearn.glm import save_glm_to_bids
    except ImportError:  # before nilearn 0.14
        from nilearn.interfaces.bids import save_glm_to_bids

    root = tmp_path_factory.mktemp("nilearn")
    rng = np.random.default_rng(3)
    conditions = ("face", "house", "left_hand")
    events = pd.DataFrame(
        {"onset": [5 + 12 * i for i in range(12)], "duration": 3, "trial_type": conditions * 4}
    )
    brain = nib.Nifti1Image(np.ones((6, 6, 6), "u1"), np.diag([3, 3, 3, 1.0]))
    effects = {}
    for run in ("1", "2"):
        data = rng.normal(100, 1, (6, 6, 6, 80)).astype("f4")
        bold = nib.Nifti1Image(data, brain.affine)
        glm = FirstLevelModel(t_r=2, mask_img=brain, minimize_memory=False).fit(bold, events=events)
        prefix = f"sub-01_task-objects_run-{run}_space-MNI152NLin2009cAsym"
        save_glm_to_bids(glm, contrasts=list(conditions), out_dir=root, prefix=prefix, bg_img=None)
        for condition in conditions:
            maps = glm.compute_contrast(condition, output_type="all")
            effects[run, condition] = {
                "effect": maps["effect_size"].get_fdata()[..., None],
                "t": maps["stat"].get_fdata()[..., None],
                "variance": maps["effect_variance"].get_fdata()[..., None],
            }
    return root, conditions, effects


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_nilearn_save_glm_to_bids(nilearn_output, tmp_path):
    root, conditions, effects = nilearn_output
    rsa = RsaSettings(folds="runs", radius_mm=4.0)
    analysis = one(tmp_path, root, conditions)
    assert analysis.space == "MNI152NLin2009cAsym" and {i.source for i in analysis.images} == {
        "nilearn"
    }
    assert any("leftHand" in note and "left_hand" in note for note in analysis.notes)
    check(analysis, {k: v["effect"] for k, v in effects.items()}, rsa)
    check(one(tmp_path, root, conditions, stat="t"), {k: v["t"] for k, v in effects.items()}, rsa)
    normal = RsaSettings(folds="runs", radius_mm=4.0, normalize="variance")
    analysis = one(tmp_path, root, conditions, rsa=normal)
    check(analysis, {k: v["effect"] / np.sqrt(v["variance"]) for k, v in effects.items()}, normal)


# ---------------------------------------------------------------- NiBetaSeries and bidspm


def test_nibetaseries_trials_are_repeats(tmp_path):
    root = describe(tmp_path / "data" / "nibetaseries", "NiBetaSeries")
    values = planted(n=5)
    values["2", "cat"] = values["2", "cat"][..., :3]
    beta_series(root, values)
    analysis = one(tmp_path, root)
    assert analysis.session == "pre" and {i.source for i in analysis.images} == {"nibetaseries"}
    stacked = check(analysis, values)
    assert dict(stacked.images_per_condition) == {"face": 10, "house": 10, "cat": 8}


def test_bidspm_volumes_are_named_by_labelfold(tmp_path):
    root = describe(tmp_path / "data", "bidspm")
    values = planted()
    bidspm(root, values)
    analysis = one(tmp_path, root)
    assert analysis.space == "IXI549Space" and {i.source for i in analysis.images} == {"bidspm"}
    check(analysis, values)
    check(one(tmp_path, root, stat="t"), {k: -v for k, v in values.items()})


def test_bidspm_errors(tmp_path):
    root = describe(tmp_path / "data", "bidspm")
    values = planted()
    table = bidspm(root, values, rows=["1\tface*bf(1)"] * 5)
    fails(ContentError, 65, ["6 volumes", "5 rows", "desc-4D_beta"], tmp_path, root)
    bidspm(root, values, labels="chunks\ttargets")
    fails(ContentError, 65, ["folds and labels", "chunks, targets"], tmp_path, root)
    table.unlink()
    fails(InputError, 66, ["labelfold.tsv", "there are 0"], tmp_path, root)


def test_two_programs_in_one_dataset_ask_for_source(tmp_path):
    root = describe(tmp_path / "data")
    values = planted()
    beta_series(root, values)
    statmaps(root, conditions=NAMES, shape=SHAPE, ses="pre", task="waffles")
    fails(OptionError, 2, ["nibetaseries, statmaps", "--source"], tmp_path, root)
    analysis = one(tmp_path, root, source="nibetaseries")
    check(analysis, values)
    assert {i.source for i in one(tmp_path, root, source="statmaps").images} == {"bids"}
    fails(OptionError, 2, ["--source spm", "--betas"], tmp_path, root, source="spm")
    fails(OptionError, 2, ["--source spn", "nibetaseries"], tmp_path, root, source="spn")


# ---------------------------------------------------------------- SPM


@pytest.mark.parametrize("version", ["v6", "v7", "v73"])
@pytest.mark.parametrize("prefix", ["", "/old/machine/stats/", "C:\\data\\stats\\"])
def test_spm_betas_by_session_without_motion_constants_and_derivatives(tmp_path, version, prefix):
    root = describe(tmp_path / "data")
    values = planted()
    spm_folder(root / "spm/sub-01", values, version=version, prefix=prefix)
    analysis = one(tmp_path, root, betas=("spm/sub-{subject}",))
    assert {i.source for i in analysis.images} == {"spm"} and len(analysis.images) == 6
    stacked = check(analysis, values)
    assert stacked.patch_mask.sum() == np.prod(SHAPE) - SHAPE[1] * SHAPE[2]  # NaN left out


@pytest.mark.parametrize("version", ["v7", "v73"])
@pytest.mark.parametrize(
    "basis", ["Finite Impulse Response", "Fourier set", "Fourier set (Hanning)", "Gamma functions"]
)
def test_spm_sets_of_basis_functions_must_be_chosen_from(tmp_path, version, basis):
    root = describe(tmp_path / "data")
    values = planted()
    spm_folder(root / "spm/sub-01", values, version=version, basis=basis, bases=3)
    where = {"betas": ("spm/sub-{subject}",)}
    words = [basis, "3 basis functions", "--basis-function (1, 2, 3)", "--stat con"]
    fails(OptionError, 2, words, tmp_path, root, **where)
    check(one(tmp_path, root, basis_function=1, **where), values)
    later = {key: 99 * array for key, array in values.items()}
    check(one(tmp_path, root, basis_function=3, **where), later)
    fails(
        OptionError, 2, ["--basis-function 4", "1, 2, 3"], tmp_path, root, basis_function=4, **where
    )
    check(one(tmp_path, root, stat="con", **where), {k: 2 * v for k, v in values.items()})


def test_bidspm_volumes_of_several_basis_functions_are_not_averaged(tmp_path):
    root = describe(tmp_path / "data", "bidspm")
    values = {(r, c, k): v for k, seed in ((1, 0), (2, 9)) for (r, c), v in planted(seed).items()}
    bidspm(root, values, rows=[f"{run}\t{c}*bf({k})" for run, c, k in values])
    fails(OptionError, 2, ["2 basis functions", "--basis-function (1, 2)"], tmp_path, root)
    for k in (1, 2):
        chosen = {(r, c): v for (r, c, number), v in values.items() if number == k}
        check(one(tmp_path, root, basis_function=k), chosen)


def test_spm_contrasts_and_t_by_stat(tmp_path):
    root = describe(tmp_path / "data")
    values = planted()
    spm_folder(root / "spm/sub-01", values)
    where = ("spm/sub-{subject}/SPM.mat",)
    check(one(tmp_path, root, betas=where, stat="con"), {k: 2 * v for k, v in values.items()})
    check(one(tmp_path, root, betas=where, stat="t"), {k: 3 * v for k, v in values.items()})


@pytest.mark.parametrize("ending", [".img", ".nii.gz"])
def test_spm_images_of_other_endings(tmp_path, ending):
    root = describe(tmp_path / "data")
    values = planted()
    folder = spm_folder(root / "spm/sub-01", values, ending=".img", nan=False)
    if ending == ".nii.gz":  # compressed afterwards, as people do; SPM.mat still says .img
        for path in folder.glob("beta_*.img"):
            save(path.with_suffix(".nii.gz"), nib.load(path).get_fdata())
        for path in (*folder.glob("beta_*.img"), *folder.glob("beta_*.hdr")):
            path.unlink()
    check(one(tmp_path, root, betas=("spm/sub-{subject}",)), values)


def test_spm_noise_normalisation_divides_by_the_residual_variance(tmp_path):
    root = describe(tmp_path / "data")
    values = planted()
    folder = spm_folder(root / "spm/sub-01", values)
    variance = np.random.default_rng(5).uniform(1, 4, SHAPE)
    save(folder / "ResMS.nii", variance)
    rsa = RsaSettings(folds="runs", radius_mm=3.0, normalize="variance")
    analysis = one(tmp_path, root, betas=("spm/sub-{subject}",), rsa=rsa)
    check(analysis, {k: v / np.sqrt(variance)[..., None] for k, v in values.items()}, rsa)


def test_spm_real_images(shared, tmp_path):
    """Real SPM betas, oblique and anisotropic, NaN outside: by a pattern, and under an SPM.mat."""
    folder = shared("data", "spm-betas")
    names = tuple(f"0{i}" for i in range(5))
    pattern = f"{folder}/sub-{{subject}}_ses-{{session}}_run-{{run}}_reg-{{condition}}_beta.nii"
    rsa = RsaSettings(radius_mm=5.0)
    analysis = one(tmp_path, describe(tmp_path / "data"), names, betas=(pattern,))
    assert (analysis.subject, analysis.session, len(analysis.images)) == ("02", "s1", 5)
    by_pattern = stack_analysis(analysis, rsa)
    assert by_pattern.patch_mask.sum() == 70_752
    place = tmp_path / "data/spm/sub-02"
    place.mkdir(parents=True)
    for i in range(5):
        image = folder / f"sub-02_ses-s1_run-01_reg-0{i}_beta.nii"
        (place / f"beta_{i + 1:04d}.nii").symlink_to(image)
    regressors = [f"Sn(1) {n}*bf(1)" for n in names]
    files = [f"/scratch/beta_{i:04d}.nii" for i in range(1, 6)]
    savemat(place / "SPM.mat", {"SPM": spm_struct(regressors, files, [])})
    analysis = one(tmp_path, tmp_path / "data", names, betas=("spm/sub-{subject}",))
    np.testing.assert_array_equal(stack_analysis(analysis, rsa).patterns, by_pattern.patterns)


def test_corrupt_spm_mat_names_it_and_other_subjects_go_on(tmp_path):
    root = describe(tmp_path / "data")
    for sub in ("01", "02", "03"):
        spm_folder(root / f"spm/sub-{sub}", planted())
    mat = root / "spm/sub-02/SPM.mat"
    mat.write_bytes(mat.read_bytes()[:300])
    found = find(root, tmp_path, conditions=NAMES, betas=("spm/sub-{subject}",))
    assert [g.subject for g in found.analyses] == ["01", "03"]
    ((subject, error),) = found.failures
    assert subject == "02" and error.exit_code == 65 and str(mat) in str(error)
    inputs = InputSettings(str(root), betas=("spm/sub-{subject}",))
    assert list_participants(inputs, str(tmp_path / "out")) == ("01", "02", "03")


@pytest.mark.parametrize("content", [b"", b"no mat file", b"MATLAB 7.3 MAT-file".ljust(600)])
def test_files_that_are_no_spm_mat(tmp_path, content):
    root = describe(tmp_path / "data")
    (root / "spm/sub-01").mkdir(parents=True)
    (root / "spm/sub-01/SPM.mat").write_bytes(content)
    words = [root / "spm/sub-01/SPM.mat", "cannot be read"]
    fails(ContentError, 65, words, tmp_path, root, betas=("spm/sub-{subject}",))


def test_a_design_without_conditions_says_which_regressors_there_are(tmp_path):
    root = describe(tmp_path / "data")
    (root / "spm/sub-01").mkdir(parents=True)
    names = ["Sn(1) R1", "Sn(1) constant"]
    struct = spm_struct(names, ["beta_0001.nii", "beta_0002.nii"], [])
    savemat(root / "spm/sub-01/SPM.mat", {"SPM": struct})
    words = ["SPM.mat", "no condition regressor", "Sn(1) R1, Sn(1) constant"]
    fails(ContentError, 65, words, tmp_path, root, betas=("spm/sub-{subject}",))


def test_betas_that_are_gone_are_named(tmp_path):
    root = describe(tmp_path / "data")
    folder = spm_folder(root / "spm/sub-01", planted())
    (folder / "beta_0001.nii").unlink()
    words = [folder / "beta_0001.nii"]
    fails(InputError, 66, words, tmp_path, root, betas=("spm/sub-{subject}",))


# ---------------------------------------------------------------- FEAT


@pytest.mark.parametrize(
    "pattern", ["feat/sub-{subject}", "feat/sub-{subject}/run-{run}.feat", "feat/sub-{subject}/*"]
)
def test_feat_folders_are_runs(tmp_path, pattern):
    root = describe(tmp_path / "data")
    values = planted(runs=("1", "2", "10"))
    for run in ("1", "2", "10"):
        feat(root / f"feat/sub-01/run-{int(run):02d}.feat", values, run)
    for stat, factor in (("effect", 1), ("t", 2), ("z", 3)):
        analysis = one(tmp_path, root, betas=(pattern,), stat=stat)
        assert [r.lstrip("0") for r in dict.fromkeys(i.run for i in analysis.images)] == [
            "1",
            "2",
            "10",
        ]
        check(analysis, {k: factor * v for k, v in values.items()})
    rsa = RsaSettings(folds="runs", radius_mm=3.0, normalize="variance")
    sqrt = {c: np.sqrt(i + 3) for i, c in enumerate(NAMES, 1)}
    check(one(tmp_path, root, betas=(pattern,), rsa=rsa),
          {(r, c): v / sqrt[c] for (r, c), v in values.items()}, rsa)  # fmt: skip


def test_feat_real_folders(shared, tmp_path):
    folder = shared("data", "feat-2runs")
    names = tuple(
        f"{k}_{i:04d}" for k in ("actie", "interoception", "situation") for i in (1, 2, 3)
    )
    subject = Selection(participant_label=("01",))
    analysis = one(tmp_path, describe(tmp_path / "data"), names, selection=subject,
                betas=(f"{folder}/*.feat",))  # fmt: skip
    assert len(analysis.images) == 18 and {i.run for i in analysis.images} == {"1", "2"}
    assert all(i.variance_path for i in analysis.images)
    stacked = stack_analysis(analysis, RsaSettings(folds="runs", radius_mm=7.0))
    cope = nib.load(folder / "run2.feat/stats/cope22.nii.gz").get_fdata()
    direct = cope.ravel()[stacked.patch_mask]
    index = stacked.conditions.index("interoception_0002")
    np.testing.assert_allclose(stacked.patterns[:, 1, index], direct, rtol=1e-6)
    assert 45_000 < stacked.patch_mask.sum() < 55_000


def test_feats_second_analysis_of_a_run_is_refused(tmp_path):
    root = describe(tmp_path / "data")
    values = planted()
    for run in ("1", "2"):
        feat(root / f"feat/sub-01/run{run}.feat", values, run)
    feat(root / "feat/sub-01/run1+.feat", planted(5), "1")
    words = ["run1+.feat", "run1.feat", "count twice"]
    fails(ContentError, 65, words, tmp_path, root, betas=("feat/sub-{subject}",))
    check(one(tmp_path, root, betas=("feat/sub-{subject}/run{run}.feat",)), values)
    (root / "feat/sub-01/run1.feat").rename(tmp_path / "away.feat")
    alone = one(tmp_path, root, betas=("feat/sub-{subject}",))
    assert {image.run for image in alone.images} == {"1", "2"}


@pytest.mark.parametrize("kind", ["files", "volumes"])
def test_identical_images_are_refused_whoever_made_them(tmp_path, kind):
    """A copied run makes two identical folds, and noise a reliable pattern."""
    root = describe(tmp_path / "data")
    values = planted()
    values |= {("2", c): values["1", c] for c in NAMES[:1]}
    if kind == "files":
        for (run, c), array in values.items():
            save(root / f"01_run-{run}_{c}.nii.gz", array[..., 0])
        analysis = one(tmp_path, root, betas=("{subject}_run-{run}_{condition}.nii.gz",))
    else:
        bidspm(root, values)
        analysis = one(tmp_path, root)
    with pytest.raises(ContentError, match="two images contain the same values: face, run 1"):
        stack_analysis(analysis, RUNS)


def test_feat_errors(tmp_path):
    root = describe(tmp_path / "data")
    values = planted()
    folder = root / "feat/sub-01/run1.feat"
    where = ("feat/sub-{subject}",)
    feat(folder, values, "1", con="/NumWaves\t3\n/Matrix\n1 0 0\n")
    fails(ContentError, 65, [folder / "design.con", "no contrast"], tmp_path, root, betas=where)
    (folder / "design.con").unlink()
    fails(InputError, 66, [folder / "design.con"], tmp_path, root, betas=where)
    feat(root / "group/sub-01.gfeat/cope1.feat", values, "1")
    words = ["sub-01.gfeat", "higher-level"]
    fails(InputError, 66, words, tmp_path, root, betas=("group/sub-{subject}.gfeat",))
    feat(folder, values, "1", con="/ContrastName7 odd\n")
    fails(InputError, 66, [folder / "stats", "none of the 1"], tmp_path, root, betas=where)


# ---------------------------------------------------------------- AFNI


@pytest.mark.parametrize("compressed", [False, True])
def test_afni_bucket(tmp_path, compressed):
    root = describe(tmp_path / "data")
    values = planted()
    for run in ("1", "2"):
        folder = root / f"afni/S01.run{run}.results"
        afni(folder, "stats.S01+tlrc", bucket(values, run), compressed)
    where = ("afni/S{subject}.run{run}.results",)
    analysis = one(tmp_path, root, betas=where)
    assert {i.source for i in analysis.images} == {"afni"}
    check(analysis, values)
    check(one(tmp_path, root, betas=where, stat="t"), {k: -v for k, v in values.items()})
    exact = ("afni/S{subject}.run{run}.results/stats.S{subject}+tlrc.HEAD",)
    check(one(tmp_path, root, betas=exact), values)


def test_afni_parameters_of_one_stimulus_are_pooled_by_the_map_only(tmp_path):
    root = describe(tmp_path / "data")
    values = planted(runs=("1",), n=3)
    afni(root / "afni/sub-01", "stats.IM+orig", bucket(values, "1", parameters=3))
    where = ("afni/sub-{subject}",)
    fails(
        ContentError, 65, ["face, house, cat", "cat#0, cat#1, cat#2"], tmp_path, root, betas=where
    )
    table = tmp_path / "map.tsv"
    rows = [f"{c}#{k}\t{c}" for c in NAMES for k in range(3)]
    table.write_text("\n".join(["label\tcondition", *rows]))
    analysis = one(tmp_path, root, betas=where, condition_map=str(table))
    stacked = stack_analysis(analysis, RsaSettings(radius_mm=3.0))
    for i, c in enumerate(NAMES):
        expected = values["1", c].mean(axis=-1).ravel()[stacked.patch_mask]
        np.testing.assert_allclose(stacked.patterns[:, 0, i], expected, rtol=1e-5, atol=1e-6)


def test_afni_errors(tmp_path):
    root = describe(tmp_path / "data")
    folder = root / "afni/sub-01"
    where = ("afni/sub-{subject}",)
    afni(folder, "anat+orig", {"#0": np.zeros(SHAPE)})
    fails(ContentError, 65, ["no sub-brick of a regressor", "#0"], tmp_path, root, betas=where)
    afni(folder, "stats+orig", bucket(planted()))
    (folder / "stats+orig.BRIK").unlink()
    fails(InputError, 66, ["stats+orig.HEAD", "BRIK"], tmp_path, root, betas=where)
    for path in folder.glob("*.HEAD"):
        path.unlink()
    fails(InputError, 66, ["anat+orig.BRIK", "no anat+orig.HEAD"], tmp_path, root, betas=where)
    (folder / "anat+orig.HEAD").write_text("nonsense")
    fails(ContentError, 65, ["anat+orig.HEAD", "AFNI header"], tmp_path, root, betas=where)


# ---------------------------------------------------------------- GLMsingle


@pytest.mark.parametrize("matlab", [False, True])
def test_glmsingle_trials_by_labels(tmp_path, matlab):
    root = describe(tmp_path / "data")
    values = planted(n=12)
    betas, order = trials(values)
    glmsingle(root / "glmsingle/sub-01", betas, matlab)
    glmsingle(root / "glmsingle/sub-01", 0 * betas, matlab, name="TYPEB_FITHRF")
    labels = label_table(tmp_path / "labels.tsv", order)
    reference = mask(tmp_path / "ref-01.nii.gz", shape=SHAPE)
    analysis = one(tmp_path, root, betas=("glmsingle/sub-{subject}",), labels=labels,
                reference_image=reference.replace("01", "{subject}"))  # fmt: skip
    assert len(analysis.images) == 72 and {i.n_trials for i in analysis.images} == {1.0}
    stacked = check(analysis, values)
    np.testing.assert_array_equal(stacked.space.affine, AFFINE)


def test_glmsingle_matlab_designinfo_names_trials_and_runs(tmp_path):
    h5py = pytest.importorskip("h5py")
    root = describe(tmp_path / "data")
    values = planted(n=4, names=("1", "2", "3"))
    betas, order = trials(values)
    folder = root / "glmsingle/sub-01"
    glmsingle(folder, betas, matlab=True)
    with h5py.File(folder / "DESIGNINFO.mat", "w") as file:
        file["stimorder"] = np.array([[float(c)] for _, c, _ in order])
        file["numtrialrun"] = np.array([[12.0], [12.0]])
    table = tmp_path / "map.tsv"
    table.write_text("label\tcondition\n1\tface\n2\thouse\n3\tcat\n")
    analysis = one(tmp_path, root, betas=("glmsingle/sub-{subject}",), condition_map=str(table),
                reference_image=mask(tmp_path / "ref.nii.gz", shape=SHAPE))  # fmt: skip
    named = dict(zip("123", NAMES, strict=True))
    check(analysis, {(r, named[c]): v for (r, c), v in values.items()})


def test_glmsingle_errors(tmp_path):
    h5py = pytest.importorskip("h5py")
    root = describe(tmp_path / "data")
    betas, order = trials(planted())
    folder = root / "glmsingle/sub-01"
    path = glmsingle(folder, betas)
    where = {"betas": ("glmsingle/sub-{subject}",)}
    reference = {"reference_image": mask(tmp_path / "ref.nii.gz", shape=SHAPE)}
    labels = {"labels": label_table(tmp_path / "labels.tsv", order)}
    fails(OptionError, 2, [path, "--reference-image"], tmp_path, root, **where, **labels)
    np.save(folder / "DESIGNINFO.npy", np.array([{"stimorder": [0]}], dtype=object))
    words = [path, "--labels", "pickle", "6 rows"]
    fails(OptionError, 2, words, tmp_path, root, **where, **reference)
    other = {"reference_image": mask(tmp_path / "other.nii.gz", shape=(4, 4, 4))}
    words = ["5 x 4 x 3", "4 x 4 x 4", "other.nii.gz"]
    fails(ContentError, 65, words, tmp_path, root, **where, **labels, **other)
    short = {"labels": label_table(tmp_path / "short.tsv", order[:4])}
    words = ["6 volumes", "4 rows", "short.tsv"]
    fails(ContentError, 65, words, tmp_path, root, **where, **reference, **short)
    with h5py.File(path, "w") as file:
        file["R2"] = np.zeros(SHAPE)
    words = [path, "betasmd", "R2 (5, 4, 3)"]
    fails(ContentError, 65, words, tmp_path, root, **where, **reference, **labels)
    path.write_bytes(b"no hdf5")
    fails(ContentError, 65, [path, "HDF5"], tmp_path, root, **where, **reference, **labels)
    path.rename(path.with_suffix(".npy"))
    words = ["TYPED_FITHRF_GLMDENOISE_RR.npy", "wanthdf5"]
    fails(InputError, 66, words, tmp_path, root, **where, **reference, **labels)


# ---------------------------------------------------------------- any files


def test_pattern_with_all_fields(tmp_path):
    root = describe(tmp_path / "data")
    values = planted()
    for (run, c), data in values.items():
        save(root / f"lab/P01/day1/r{run}_{c}_beta.nii.gz", data[..., 0])
        save(root / f"lab/P02/day1/r{run}_{c}_beta.nii.gz", -data[..., 0])
    where = ("lab/P{subject}/{session}/r{run}_{condition}_beta.nii.gz",)
    first, second = find(root, tmp_path, conditions=NAMES, betas=where).analyses
    assert (first.subject, first.session, second.subject) == ("01", "day1", "02")
    assert all(i.path.startswith(f"{root}/lab/P01/") for i in first.images)
    check(first, values)
    check(second, {k: -v for k, v in values.items()})
    chosen = Selection(participant_label=("02",))
    assert one(tmp_path, root, betas=where, selection=chosen).subject == "02"
    inputs = InputSettings(str(root), betas=where, selection=chosen)
    assert list_participants(inputs, str(tmp_path / "out")) == ("02",)


def test_conditions_with_underscores_and_repeated_fields(tmp_path):
    root = describe(tmp_path / "data")
    names = ("left_hand", "right_hand", "foot")
    values = planted(names=names)
    for (run, c), data in values.items():
        save(root / f"sub-07/run{run}/sub-07_run{run}_{c}.nii", data[..., 0])
    where = ("sub-{subject}/run{run}/sub-{subject}_run{run}_{condition}.nii",)
    check(one(tmp_path, root, names, betas=where), values)


@pytest.mark.parametrize("columns", ["row by row", "volume"])
def test_labels_for_4d_files(tmp_path, columns):
    root = describe(tmp_path / "data")
    values = planted(n=2)
    betas, order = trials(values)
    save(root / "sub-01_betas.nii.gz", betas)
    rows = [(i, r, c) for i, (r, c, _) in enumerate(order)]
    table = tmp_path / "labels_01.tsv"
    if columns == "volume":
        rows = rows[::-1]
        lines = ["volume\tcondition\trun\tn", *(f"{i}\t{c}\t{r}\t4" for i, r, c in rows)]
    else:
        lines = ["condition\trun\tcomment", *(f"{c}\trun-{r}\tx" for _, r, c in rows)]
    table.write_text("\n".join(lines))
    analysis = one(tmp_path, root, betas=("sub-{subject}_betas.nii.gz",),
                labels=str(tmp_path / "labels_{subject}.tsv"))  # fmt: skip
    check(analysis, values)
    assert {i.n_trials for i in analysis.images} == ({4.0} if columns == "volume" else {None})


@pytest.mark.parametrize("kind", ["name", "number", "order"])
def test_labels_for_files_that_carry_no_names(tmp_path, kind):
    root = describe(tmp_path / "data")
    values = planted()
    rows = []
    for i, ((run, c), data) in enumerate(values.items()):
        save(root / f"sub-01/img_{i:02d}.nii", data[..., 0])
        rows.append(
            {"name": f"img_{i:02d}.nii\t", "number": f"{i}\t", "order": ""}[kind] + f"{c}\t{run}"
        )
    table = tmp_path / "labels.tsv"
    header = ("" if kind == "order" else "image\t") + "condition\trun"
    table.write_text("\n".join([header, *rows]))
    analysis = one(tmp_path, root, betas=("sub-{subject}/img_*.nii",), labels=str(table))
    check(analysis, values)


def test_volumes_of_no_condition_are_named_na(tmp_path):
    root = describe(tmp_path / "data")
    values = planted(runs=("1",))
    stack = [np.full(SHAPE, 50.0), *(values["1", c][..., 0] for c in NAMES), np.full(SHAPE, 60.0)]
    save(root / "sub-01.nii", np.stack(stack, axis=3))
    table = tmp_path / "labels.tsv"
    table.write_text("\n".join(["condition", "n/a", *NAMES, "n/a"]))
    analysis = one(tmp_path, root, betas=("sub-{subject}.nii",), labels=str(table))
    assert [i.volume for i in analysis.images] == [1, 2, 3] and analysis.left_out == ()


def test_labels_errors(tmp_path):
    root = describe(tmp_path / "data")
    save(root / "sub-01.nii", np.zeros((*SHAPE, 3)))
    where = ("sub-{subject}.nii",)
    table = tmp_path / "labels.tsv"

    def bad(text, words, error=ContentError, code=65):
        table.write_text(text)
        fails(error, code, ["labels.tsv", *words], tmp_path, root, betas=where, labels=str(table))

    bad("condition\nface\nhouse\n", ["sub-01.nii has 3 volumes", "2 rows"])
    bad("volume\tcondition\n0\tface\n3\thouse\n", ["names volume 3", "0 to 2"])
    bad("volume\tcondition\n1\tface\n1\thouse\n", ["volume 1", "twice"])
    bad("volume\tcondition\n-1\tface\n", ["'-1'", "line 2"])
    bad("name\trun\nface\t1\n", ["'condition'", "name, run"])
    for n in ("many", "-3", "0", "inf"):
        bad(f"condition\tn\nface\t{n}\n", [f"n is '{n}'", "line 2", "above 0"])
    bad("condition\trun\nface\n", ["line 2", "1 cells under 2"])
    fails(OptionError, 2, ["sub-01.nii", "--labels"], tmp_path, root, betas=where)
    fails(InputError, 66, ["nothing.tsv"], tmp_path, root, betas=where, labels="nothing.tsv")


def test_trials_behind_glm_images_come_from_labels_only(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root, conditions=NAMES)
    assert {i.n_trials for i in one(tmp_path, root).images} == {None}
    table = tmp_path / "n.tsv"
    table.write_text("condition\trun\tn\nface\t1\t12\nface\t2\t10\nhouse\tn/a\t7\n")
    analysis = one(tmp_path, root, labels=str(table))
    counts = {(i.condition, i.run): i.n_trials for i in analysis.images}
    assert counts == {
        ("face", "1"): 12, ("face", "2"): 10, ("house", "1"): 7, ("house", "2"): 7,
        ("cat", "1"): None, ("cat", "2"): None,
    }  # fmt: skip


def test_pattern_errors(tmp_path):
    root = describe(tmp_path / "data")
    save(root / "spm/sub-01/beta_0001.nii", np.zeros(SHAPE))
    words = ["spm/subject-{subject}", "sub-01"]
    fails(SelectionError, 18, words, tmp_path, root, betas=("spm/subject-{subject}/x.nii",))
    fails(OptionError, 2, ["{sub}", "{subject}"], tmp_path, root, betas=("spm/sub-{sub}",))
    fails(OptionError, 2, ["{subject} is needed"], tmp_path, root, betas=("spm/*",))
    words = ["--participant-label 09", "01"]
    chosen = Selection(participant_label=("09",))
    where = ("spm/sub-{subject}/beta_{condition}.nii",)
    fails(SelectionError, 18, words, tmp_path, root, betas=where, selection=chosen)
    (root / "spm/sub-01/SPM.mat").write_bytes(b"")
    where = ("spm/sub-{subject}/beta_*.nii",)
    fails(OptionError, 2, ["beta_0001.nii", "SPM.mat next to it"], tmp_path, root, betas=where)
    (root / "spm/sub-01/SPM.mat").unlink()
    words = ["not recognised", "beta_0001.nii", "spm, feat"]
    fails(InputError, 66, words, tmp_path, root, betas=("spm/sub-{subject}",))


def test_two_producers_in_one_folder(tmp_path):
    root = describe(tmp_path / "data")
    values = planted()
    spm_folder(root / "glm/sub-01", values)
    for run in ("1", "2"):
        feat(root / f"glm/sub-01/run{run}.feat", {k: -v for k, v in values.items()}, run)
    where = ("glm/sub-{subject}",)
    fails(OptionError, 2, ["spm, feat", "--source"], tmp_path, root, betas=where)
    check(one(tmp_path, root, betas=where, source="spm"), values)
    check(one(tmp_path, root, betas=where, source="feat"), {k: -v for k, v in values.items()})
    fails(OptionError, 2, ["statmaps", "--betas"], tmp_path, root, betas=where, source="statmaps")


def test_masks_of_bids_datasets_serve_images_found_by_pattern(tmp_path):
    root = describe(tmp_path / "data")
    spm_folder(root / "glm/sub-01", planted())
    roi = mask(root / "sub-01/anat/sub-01_desc-vt_mask.nii.gz", shape=SHAPE)
    settings = InputSettings(
        str(root), models=(model(tmp_path / "m.tsv", NAMES),), betas=("glm/sub-{subject}",),
        roi_mask="vt",
    )  # fmt: skip
    found = find_analyses(settings, RsaSettings(), load_models(settings), str(tmp_path / "out"))
    assert found.analyses[0].roi_mask.paths == (roi,)
    assert any("6 of spm" not in n and "spm" in n for n in found.notes)
