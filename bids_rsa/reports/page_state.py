"""Whether a page was made from what is there now; light, so that a finished run ends at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bids_rsa._version import __version__
from bids_rsa.outputs.input_hashes import digest

MADE_FROM = '<meta name="bids-rsa-made-from" content="'


def page_path(output_dir: Path, subject: str = "") -> Path:
    """Say where the page of a participant is, or the group's."""
    return output_dir / (f"sub-{subject}.html" if subject else "group.html")


def fingerprint(hashes: Mapping[str, Any]) -> str:
    """Hash what a page is made from: the settings hash of each file, by name."""
    return digest([__version__, sorted((name, str(value)) for name, value in hashes.items())])


def is_current(path: Path, made_from: str) -> bool:
    """Tell whether a page was made from what is there now."""
    try:
        with path.open(encoding="utf-8") as file:
            head = file.read(4000)
    except OSError:
        return False
    return f"{MADE_FROM}{made_from}" in head
