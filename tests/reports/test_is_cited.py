"""Whether the methods text is newer than all results."""

import os

import pytest

from bids_rsa.outputs.whole_files import replacing
from bids_rsa.reports.citation import CITATION_FOLDER, is_cited


@pytest.fixture
def cited(tmp_path):
    """An output whose methods text was written after its only result."""
    sidecar = tmp_path / "sub-01" / "func" / "sub-01_statmap.json"
    sidecar.parent.mkdir(parents=True)
    sidecar.write_text("{}")
    os.utime(sidecar, ns=(1, 1))
    folder = tmp_path / CITATION_FOLDER
    folder.mkdir()
    for name in ("CITATION.md", "CITATION.bib"):
        (folder / name).write_text("")
    return tmp_path


def test_a_text_older_than_a_result_is_written_again(cited):
    assert is_cited(cited)
    later = (cited / CITATION_FOLDER / "CITATION.md").stat().st_mtime_ns + 10**9
    os.utime(cited / "sub-01" / "func" / "sub-01_statmap.json", ns=(later, later))
    assert not is_cited(cited)


def test_unfinished_and_removed_files_are_no_results(cited):
    func = cited / "sub-01" / "func"
    (func / "sub-01_desc-dropped_statmap.json").symlink_to(cited / "nowhere")
    with replacing(func / "sub-01_statmap.json") as unfinished:
        unfinished.write_text("{}")
        later = (cited / CITATION_FOLDER / "CITATION.md").stat().st_mtime_ns + 10**9
        os.utime(unfinished, ns=(later, later))
        assert is_cited(cited)
