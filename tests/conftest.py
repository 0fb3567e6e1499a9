"""What all tests share: where the real data lie, which are never part of the repository."""

import pytest
from shared_data import shared_path


@pytest.fixture
def shared():
    """The function that finds shared data: shared("data", "spm-betas")."""
    return shared_path
