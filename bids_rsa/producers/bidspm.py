"""bidspm: 4D ``..._desc-4D_beta`` and ``_tmap``, their volumes listed in ``..._labelfold.tsv``.

The table has the columns folds (the run) and labels (SPM's regressor name without the session),
one row for each volume (bidspm, src/workflows/stats/bidsConcatBetaTmaps.m).
"""

from collections.abc import Sequence
from pathlib import Path

from bids_rsa.discovery.index import IndexedFile
from bids_rsa.errors import ContentError, InputError
from bids_rsa.producers.common import IMAGE_EXTENSIONS, from_bids
from bids_rsa.producers.spm import basis_of, choose_basis, condition_of
from bids_rsa.records import ConditionImage
from bids_rsa.spaces.headers import header_of
from bids_rsa.tables import read_table

STATISTICS = {"beta": "effect", "tmap": "t"}


def find(files: Sequence[IndexedFile], basis_function: int | None = None) -> list[ConditionImage]:
    """Turn one participant's 4D images into records.

    ``basis_function`` says which one's volumes are taken where a condition has several.

    Raises
    ------
    InputError, ContentError
        No table, other columns, another number of rows than of volumes.
    """
    found = []
    for file in files:
        if file.suffix in STATISTICS and file.extension in IMAGE_EXTENSIONS and file.desc == "4D":
            rows = _labelfold(file, files)
            count = header_of(file.path).n_volumes
            if len(rows) != count:
                raise ContentError(
                    f"{file.path} has {count} volumes, and its labelfold.tsv has {len(rows)} rows."
                )
            chosen = _basis(rows, basis_function, file.path)
            found += [
                from_bids(
                    file, condition_of(label), STATISTICS[file.suffix], "bidspm",
                    volume=volume, run=run,
                )
                for volume, (run, label) in enumerate(rows)
                if basis_of(label) in (None, chosen)
            ]  # fmt: skip
    return found


def _basis(rows: Sequence[tuple[str, str]], wanted: int | None, path: str) -> int | None:
    """Choose the basis function whose volumes are taken, where the labels name any."""
    there = sorted({number for _, label in rows if (number := basis_of(label)) is not None})
    return choose_basis(there, "", wanted, path) if there else None


def _labelfold(file: IndexedFile, files: Sequence[IndexedFile]) -> list[tuple[str, str]]:
    """Return (run, label) of each volume, from the table in the same folder."""
    folder = Path(file.path).parent
    tables = [
        f for f in files
        if f.suffix == "labelfold" and Path(f.path).parent == folder
        and (f.task, f.space, f.session) == (file.task, file.space, file.session)
    ]  # fmt: skip
    if len(tables) != 1:
        raise InputError(
            f"{file.path} needs one ..._labelfold.tsv next to it that says what its volumes are, "
            f"and there are {len(tables)}.",
            "Run bidspm's concatenation again, or use --betas with --labels.",
        )
    path = Path(tables[0].path)
    header, *rows = read_table(path)
    if not {"folds", "labels"} <= set(header) or any(len(row) != len(header) for row in rows):
        raise ContentError(
            f"{path}: expected the columns folds and labels, found {', '.join(header)}."
        )
    fold, label = header.index("folds"), header.index("labels")
    return [(_whole(row[fold]), row[label]) for row in rows]


def _whole(text: str) -> str:
    """Return a run number without decimals, as tables write them."""
    return str(int(float(text))) if text.replace(".", "", 1).isdigit() else text
