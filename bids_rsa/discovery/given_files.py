"""Files that the user names, with entities of the analysis in their paths: masks and surfaces."""

import re
from collections.abc import Sequence
from pathlib import Path

from bids_rsa.errors import InputError, OptionError
from bids_rsa.records import Analysis
from bids_rsa.spaces.hemispheres import Hemisphere, of_hemisphere
from bids_rsa.spaces.read_errors import missing_file

# what --brain-mask and --roi-mask may contain
GIVEN_FIELDS = ("subject", "session", "task", "space")


def given_files(
    pattern: str, analysis: Analysis, option: str, sides: Sequence[Hemisphere]
) -> list[str]:
    """Find the file of each hemisphere; one file for both where the path has no ``{hemi}``."""
    if "{hemi}" not in pattern:
        return [given_file(pattern, analysis, option)]
    filled = _filled(pattern, analysis, option)
    return [given_file(of_hemisphere(filled, side), analysis, option) for side in sides]


def given_file(pattern: str, analysis: Analysis, option: str) -> str:
    """Put an analysis's entities into the path of a mask, and check that it is there.

    Raises
    ------
    InputError
        The analysis has no such entity, or there is no such file.
    """
    path = Path(_filled(pattern, analysis, option)).absolute()
    if not path.is_file():
        raise missing_file(path)
    return str(path)


def _filled(pattern: str, analysis: Analysis, option: str) -> str:
    """Put an analysis's entities into a path."""
    values = {name: getattr(analysis, name) for name in GIVEN_FIELDS if f"{{{name}}}" in pattern}
    lacking = [name for name, value in values.items() if value is None]
    if lacking:
        raise InputError(
            f"{analysis.label}: {option} {pattern} names {{{lacking[0]}}}, and these images have "
            f"no {lacking[0]}."
        )
    for name, value in values.items():
        pattern = pattern.replace(f"{{{name}}}", str(value))
    return pattern


def check_given(option: str, given: str | None, labels_too: bool = False) -> None:
    """Check a mask given by the user before anything is indexed.

    Raises
    ------
    InputError
        No such file.
    OptionError
        A field that is not known.
    """
    fields = re.findall(r"\{(.*?)\}", given or "")
    unknown = [field for field in fields if field not in (*GIVEN_FIELDS, "hemi")]
    if unknown:
        raise OptionError(
            f"{option} {given}: unknown field {{{unknown[0]}}}.",
            f"Known fields: {', '.join('{' + name + '}' for name in GIVEN_FIELDS)}.",
        )
    if fields:
        return
    if (
        given is None
        or Path(given).is_file()
        or (labels_too and given.removeprefix("desc-").isalnum())
    ):
        return
    if Path(given).is_dir():
        raise InputError(f"{option}: {given} is a folder, and a file is needed.")
    if Path(given).is_symlink():
        raise missing_file(given)
    raise InputError(
        f"{option}: there is no file {given}.",
        "Give a file, or the desc- label of masks in the dataset." if labels_too else "",
    )
