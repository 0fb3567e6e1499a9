"""What all tests share: the examples of hypothesis, and where the real data lie."""

import pytest
from hypothesis import settings
from shared_data import shared_path

# the same examples in every run, however busy the machine is; with others, and more of them:
# pytest --hypothesis-profile explore
settings.register_profile("same", derandomize=True, deadline=None, database=None)
settings.register_profile("explore", deadline=None, max_examples=2000, database=None)
settings.load_profile("same")


@pytest.fixture
def shared():
    """The function that finds shared data: shared("data", "spm-betas")."""
    return shared_path
