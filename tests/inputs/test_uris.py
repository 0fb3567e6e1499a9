import pytest
from input_trees import describe, image

from bids_rsa.outputs.bids_uris import (
    bids_uri,
    dataset_root,
    link_datasets,
    name_datasets,
    source_uris,
)
from bids_rsa.outputs.input_hashes import companions


def test_a_link_of_git_annex_keeps_its_name_in_the_uri(tmp_path):
    root = describe(tmp_path / "data")
    kept = image(root / ".git/annex/objects/XY/MD5E-s1.nii.gz")
    path = root / "sub-01/func/sub-01_task-x_bold.nii.gz"
    path.parent.mkdir(parents=True)
    path.symlink_to(kept)
    links = link_datasets([dataset_root(str(path))], {str(root): "data"})
    assert bids_uri(str(path), links) == "bids:data:sub-01/func/sub-01_task-x_bold.nii.gz"


@pytest.mark.parametrize(
    "file", ["study/sub-01/spm/beta_0001.nii", "study/run1.feat/stats/cope1.nii.gz",
             "study/sub-01/run1.feat/stats/cope1.nii.gz", "study/beta.nii"],
)  # fmt: skip
def test_files_of_no_dataset_share_one_root(tmp_path, file):
    path = image(tmp_path / file)
    assert dataset_root(path) == str(tmp_path / "study")


def test_files_of_no_dataset_lie_in_the_folder_that_was_searched(tmp_path):
    """Folders of one name, such as each participant's own glm, are told apart by their paths."""
    named = name_datasets({str(tmp_path / "study"): "study"}, {}, str(tmp_path / "out"))
    for subject in ("S01", "S02"):
        path = image(tmp_path / f"study/{subject}/glm/beta_0001.nii")
        links = link_datasets([dataset_root(path, named)], named)
        assert bids_uri(path, links) == f"bids:study:{subject}/glm/beta_0001.nii"


def test_jobs_that_know_nothing_of_each_other_give_no_name_twice(tmp_path):
    paths = [image(tmp_path / f"study/{subject}/glm/beta.nii") for subject in ("S01", "S02")]
    links = [link_datasets([dataset_root(path)], {}) for path in paths]
    assert len({name for link in links for name in link.values()}) == 2
    again = link_datasets(map(dataset_root, paths), {})
    assert again == links[0] | links[1]


def test_a_name_that_the_output_links_elsewhere_is_not_given_again(tmp_path):
    output = str(tmp_path / "out")
    first = name_datasets({str(tmp_path / "a/glm"): "glm"}, {}, output)
    assert list(first.values()) == ["glm"]
    linked = {"glm": (tmp_path / "a/glm").as_uri()}
    assert name_datasets({str(tmp_path / "a/glm"): "glm"}, linked, output) == first
    (other,) = name_datasets({str(tmp_path / "b/glm"): "glm"}, linked, output).values()
    assert other != "glm"
    assert other.startswith("glm")
    both = name_datasets({str(tmp_path / f"{x}/glm"): "glm" for x in "ab"}, {}, output)
    assert len(set(both.values())) == 2


@pytest.mark.parametrize(("one", "other"), [("a.hdr", "a.img"), ("b+tlrc.HEAD", "b+tlrc.BRIK")])
def test_both_files_of_a_pair_are_sources(tmp_path, one, other):
    for name in (one, other):
        (tmp_path / name).touch()
    links = {str(tmp_path): "data"}
    for name, partner in ((one, other), (other, one)):
        assert companions(str(tmp_path / name)) == (str(tmp_path / partner),)
        uris = source_uris([str(tmp_path / name)], links)
        assert uris == [f"bids:data:{name}", f"bids:data:{partner}"]
    assert len(source_uris([str(tmp_path / name) for name in (one, other)], links)) == 2


def test_values_in_another_dataset_are_sources(tmp_path):
    surfaces, values = describe(tmp_path / "surfaces"), describe(tmp_path / "values")
    path = surfaces / "x.func.gii"
    path.write_text(
        '<GIFTI><DataArray Encoding="ExternalFileBinary" ExternalFileName="../values/x.data">'
        "</DataArray></GIFTI>"
    )
    files = [str(path), *companions(str(path))]
    links = link_datasets(map(dataset_root, files), {str(surfaces): "s", str(values): "v"})
    assert source_uris([str(path)], links) == ["bids:s:x.func.gii", "bids:v:x.data"]
