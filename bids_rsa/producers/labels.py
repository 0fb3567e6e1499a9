"""--labels: a table that says which image or volume is which condition, in which run."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bids_rsa.errors import ContentError
from bids_rsa.producers.places import Place
from bids_rsa.records import ConditionImage
from bids_rsa.tables import existing_file, read_table

COLUMNS = ("subject", "session", "run", "image", "volume", "condition", "n")


@dataclass(frozen=True)
class LabelRow:
    """One row of a labels table; None where it has no such column."""

    condition: str
    subject: str | None = None
    session: str | None = None
    run: str | None = None
    image: str | None = None
    volume: int | None = None
    n: float | None = None


@dataclass(frozen=True)
class Labels:
    """The rows of a labels table, and where they come from."""

    path: str
    rows: tuple[LabelRow, ...]

    @property
    def columns(self) -> set[str]:
        """The columns that have a value somewhere."""
        return {c for c in COLUMNS for row in self.rows if getattr(row, c) is not None}


def read_labels(path: str) -> Labels:
    """Read a labels table.

    Raises
    ------
    InputError, ContentError
        No such file, no column ``condition``, a value that is no number.
    """
    header, *rows = read_table(existing_file(path, "--labels"))
    if "condition" not in header or not rows:
        raise ContentError(
            f"--labels {path}: a column 'condition' and a row for each image or volume are "
            f"needed; found columns {', '.join(header)} and {len(rows)} rows.",
            f"Known columns: {', '.join(COLUMNS)}.",
        )
    known = [c for c in header if c in COLUMNS]
    table = []
    for number, cells in enumerate(rows, start=2):
        if len(cells) != len(header):
            raise ContentError(
                f"--labels {path}: line {number} has {len(cells)} cells under {len(header)} "
                "columns."
            )
        values = {
            c: v
            for c, v in zip(header, cells, strict=True)
            if c in known and (v != "n/a" or c == "condition")
        }
        table.append(_row(values, f"--labels {path}: line {number}"))
    return Labels(path, tuple(table))


def _row(values: dict[str, str], where: str) -> LabelRow:
    """Make a row, its numbers checked."""
    condition = values.pop("condition", "")
    if not condition:
        raise ContentError(f"{where} has no condition.")
    volume, n = values.pop("volume", None), values.pop("n", None)
    if volume is not None and not volume.isdecimal():
        raise ContentError(f"{where}: volume is {volume!r}, and a number from 0 was expected.")
    try:
        count = None if n is None else float(n)
    except ValueError:
        count = math.nan
    if count is not None and not 0 < count < math.inf:
        raise ContentError(f"{where}: n is {n!r}, and a number of trials above 0 was expected.")
    return LabelRow(condition, volume=None if volume is None else int(volume), n=count, **values)


def rows_for(labels: Labels, place: Place, names: Sequence[str]) -> list[LabelRow]:
    """Return the rows that speak of one place's participant, session, run and files.

    ``names`` are the file names there (for the column ``image``).
    """
    run = _number(place.run)
    return [
        row
        for row in labels.rows
        if row.subject in (None, place.subject, f"sub-{place.subject}")
        and (row.session is None or place.session is None or row.session == place.session)
        and (row.run is None or run is None or _number(row.run) == run)
        and (row.image is None or row.image.isdigit() or Path(row.image).name in names)
    ]


def label_volumes(
    labels: Labels, place: Place, path: str, n_volumes: int
) -> list[tuple[int, LabelRow]]:
    """Pair the volumes of one file with their rows.

    Raises
    ------
    ContentError
        Another number of rows than of volumes (without a column ``volume``), or a volume that
        is not there.
    """
    rows = rows_for(labels, place, [Path(path).name])
    if "volume" in labels.columns:
        pairs = [(row.volume, row) for row in rows if row.volume is not None]
        beyond = [volume for volume, _ in pairs if volume >= n_volumes]
        if beyond or not pairs:
            what = f"names volume {beyond[0]}" if beyond else "has no row for it"
            raise ContentError(
                f"{path} has {n_volumes} volumes (0 to {n_volumes - 1}), and --labels "
                f"{labels.path} {what}."
            )
        twice = {v for v, _ in pairs if sum(v == w for w, _ in pairs) > 1}
        if twice:
            raise ContentError(
                f"--labels {labels.path}: volume {min(twice)} of {path} occurs twice."
            )
        return pairs
    if len(rows) != n_volumes:
        raise ContentError(
            f"{path} has {n_volumes} volumes, and --labels {labels.path} has {len(rows)} rows "
            "for it.",
            "Give one row for each volume, or a column 'volume' (from 0).",
        )
    return list(enumerate(rows))


def count_trials(images: Sequence[ConditionImage], labels: Labels | None) -> list[ConditionImage]:
    """Give images the number of trials behind them, where the table's column ``n`` says so."""
    if labels is None or "n" not in labels.columns:
        return list(images)
    counted = []
    for image in images:
        for row in labels.rows if image.n_trials is None else ():
            if (
                row.n is not None
                and row.condition == image.condition
                and row.subject in (None, image.subject, f"sub-{image.subject}")
                and row.session in (None, image.session)
                and (row.run is None or _number(row.run) == _number(image.run))
            ):
                image = replace(image, n_trials=row.n)
                break
        counted.append(image)
    return counted


def _number(run: str | None) -> str | None:
    """Return a run's label without leading zeros."""
    return run.removeprefix("run-").lstrip("0") if run else run
