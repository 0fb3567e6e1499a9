"""A page: its templates filled in, written under its name when it is whole."""

import re
from collections.abc import Mapping
from datetime import date
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
    page = {"version": __version__, "date": date.today().isoformat(), **content}
    write_text(path, _environment().get_template("base.html").render(page=page))
    return path


def key_words(key: str) -> str:
    """Write a sidecar's key as words; what is no key stays as it is."""
    if not re.fullmatch(r"([A-Z]+[a-z]*){2,}", key):
        return key
    if key.endswith("NaN"):
        return f"{key_words(key.removesuffix('NaN'))} NaN"
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", key).split()
    return " ".join([words[0], *(w if w.isupper() else w.lower() for w in words[1:])])
