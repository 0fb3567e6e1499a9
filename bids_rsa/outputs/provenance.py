"""What made a result: the versions of the software, and the id of the run."""

import platform
import uuid
from datetime import UTC, datetime
from importlib.metadata import version

from bids_rsa._version import __version__

LIBRARIES = ("numpy", "scipy", "numba", "nibabel", "nilearn", "nipype", "pybids", "pandas")


def new_run_id() -> str:
    """Make a run id that sorts by time (UTC), and that no other run has."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}_{uuid.uuid4().hex[:8]}"


def software_versions() -> str:
    """List the versions of the app, of Python and of the libraries that make the numbers."""
    found = {"bids_rsa": __version__, "python": platform.python_version()}
    found |= {name: version(name) for name in LIBRARIES}
    return ", ".join(f"{name} {number}" for name, number in found.items())  # BIDS: one string
