"""Names of models, which become the desc- labels of their maps."""

import re
from collections.abc import Sequence
from pathlib import Path

from bids_rsa.core.comparison.table import ALL_MODELS
from bids_rsa.errors import OptionError
from bids_rsa.records import ModelRdm

# desc- labels of maps that are not of one model
RESERVED = {"searchlight": "maps of the searchlight itself", ALL_MODELS: "scores of all models"}


def split_name(text: str, option: str) -> tuple[str, str]:
    """Part ``[NAME=]REST``: the name (given, or from the file's stem), and the rest."""
    name, equals, rest = text.partition("=")
    if not equals or "/" in name or Path(text).exists():
        return "", text
    if not re.fullmatch(r"[A-Za-z0-9]+", name):
        raise OptionError(
            f"{option} {text}: the name {name!r} may contain letters and digits only, because it "
            "becomes the desc- label of the maps.",
            f"For example {re.sub(r'[^A-Za-z0-9]', '', name) or 'model1'}={rest}",
        )
    return name, rest


def name_from(path: Path, option: str) -> str:
    """Take a model's name from its file's stem, letters and digits only."""
    name = re.sub(r"[^A-Za-z0-9]", "", path.stem)
    if not name:
        raise OptionError(
            f"{option} {path}: the file's name contains no letter or digit to name the model by.",
            f"Give a name: {option} NAME={path}",
        )
    return name


def check_names(models: Sequence[ModelRdm]) -> None:
    """No two models may have one name: their maps would overwrite each other."""
    seen: dict[str, str] = {}
    for model in models:
        if model.name in RESERVED:
            raise OptionError(
                f"A model cannot be named {model.name}: {RESERVED[model.name]} are "
                f"(desc-{model.name}).",
                f"Name it: --model OTHERNAME={model.path}",
            )
        if model.name in seen:
            raise OptionError(
                f"Two models are named {model.name}: {seen[model.name]} and {model.path}.",
                f"Name one of them: --model OTHERNAME={model.path}",
            )
        seen[model.name] = model.path
