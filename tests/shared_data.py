"""Where the real data lie, which are never part of the repository."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = (ROOT / os.environ.get("BIDS_RSA_SHARED", "../shared")).resolve()


def shared_path(*parts: str) -> Path:
    """Path of a shared file or folder; skips the test where it is not there."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{path} is not there (BIDS_RSA_SHARED names the folder with shared data)")
    return path
