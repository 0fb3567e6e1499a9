import pytest
from input_trees import describe, image

from bids_rsa.provenance import bids_uri, dataset_root, link_datasets, link_target


def test_a_link_of_git_annex_keeps_its_name_in_the_uri(tmp_path):
    root = describe(tmp_path / "data")
    kept = image(root / ".git/annex/objects/XY/MD5E-s1.nii.gz")
    path = root / "sub-01/func/sub-01_task-x_bold.nii.gz"
    path.parent.mkdir(parents=True)
    path.symlink_to(kept)
    links = link_datasets([dataset_root(str(path))], {str(root): "data"}, {}, str(tmp_path / "out"))
    assert bids_uri(str(path), links) == "bids:data:sub-01/func/sub-01_task-x_bold.nii.gz"


@pytest.mark.parametrize(
    "file", ["study/sub-01/spm/beta_0001.nii", "study/run1.feat/stats/cope1.nii.gz",
             "study/sub-01/run1.feat/stats/cope1.nii.gz", "study/beta.nii"],
)  # fmt: skip
def test_files_of_no_dataset_share_one_root(tmp_path, file):
    path = image(tmp_path / file)
    assert dataset_root(path) == str(tmp_path / "study")


def test_a_dataset_keeps_its_name_and_takes_no_other_datasets(tmp_path):
    output, roots = tmp_path / "out", [str(tmp_path / folder / "glm") for folder in "abc"]
    targets = {root: link_target(root, str(output)) for root in roots}
    known: dict[str, str] = {}
    names = []
    for root in (*roots, *roots):  # one call after the other into one output
        (name,) = link_datasets([root], {}, known, str(output)).values()
        known |= {name: targets[root]}
        names.append(name)
    assert names[0] == "glm"
    assert names[:3] == names[3:]
    assert known == dict(zip(names[:3], targets.values(), strict=True))
    together = link_datasets(roots, {}, {}, str(output))
    assert len(set(together.values())) == 3
    wished = link_datasets([roots[2]], {roots[2]: "glm"}, known, str(output))
    assert known.get(wished[roots[2]], targets[roots[2]]) == targets[roots[2]]
