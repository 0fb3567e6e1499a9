"""A page: its templates filled in, written under its name when it is whole."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from bids_rsa._version import __version__
from bids_rsa.outputs.dataset_files import write_text


@lru_cache(maxsize=1)
def _environment() -> Environment:
    """Load the templates; whatever is filled in is escaped."""
    environment = Environment(
        loader=PackageLoader("bids_rsa.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["words"] = key_words
    return environment


def write_page(path: Path, content: Mapping[str, Any]) -> Path:
    """Fill in the templates, and write the page."""
    page = {"version": __version__, "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M}", **content}
    write_text(path, _environment().get_template("base.html").render(page=page))
    return path


# where the words of the key alone would not say enough, or not in the page's spelling
KEYS_IN_WORDS = {
    "SearchlightRadius": "Searchlight radius (mm)",
    "SearchlightRule": "Rule of the patch",
    "MaxPatchSize": "Largest patch allowed",
    "MinVoxels": "Smallest patch evaluated (voxels)",
    "MinVertices": "Smallest patch evaluated (vertices)",
    "MinGrayordinates": "Smallest patch evaluated (grayordinates)",
    "CentersEvaluated": "Centres evaluated",
    "CentersUndefined": "Centres without a score",
    "NoiseNormalization": "Noise normalisation",
    "Normalization": "Univariate normalisation",
    "MissingRuns": "Conditions missing from some runs",
    "FoldRuns": "Runs of each fold",
    "SmoothingFWHM": "Smoothing, FWHM (mm)",
    "LeftOut": "Participants left out",
    "RelabelingsExhaustive": "All distinct relabelings used",
    "SmallestP": "Smallest possible p",
    "SmallestCorrectedP": "Smallest possible corrected p",
    "PrimaryMethod": "Primary correction",
    "CriticalValue": "Critical value of the primary correction",
    "ClusterFormingThreshold": "Cluster-forming threshold",
}


def key_words(key: str) -> str:
    """Write a sidecar's key as words; what is no key stays as it is."""
    if key in KEYS_IN_WORDS:
        return KEYS_IN_WORDS[key]
    if not re.fullmatch(r"([A-Z]+[a-z]*){2,}", key):
        return key
    if key.endswith("NaN"):
        return f"{key_words(key.removesuffix('NaN'))} NaN"
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", key).split()
    return " ".join([words[0], *(w if w.isupper() else w.lower() for w in words[1:])])
