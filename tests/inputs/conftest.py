import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("BIDS_RSA_SHARED", Path(__file__).parents[3] / "shared"))


def _folder(name):
    path = SHARED / "data" / name
    if not path.is_dir():
        pytest.skip(f"{name} is not there")
    return path


@pytest.fixture
def haxby_betas():
    return _folder("haxby2001-betas")


@pytest.fixture
def feat_runs():
    return _folder("feat-2runs")


@pytest.fixture
def spm_images():
    return _folder("spm-betas")
