"""What permutations of the conditions and halves of the data say of a participant's scores."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.reports.collect import FoundMap
from bids_rsa.reports.parts import histogram
from bids_rsa.reports.sidecar_values import number

NULL_COLUMNS = (
    "scores", "permutations", "distinct", "smallest possible p", "null mean", "null SD",
    "p ≤ .05", "corrected p ≤ .05", "smallest corrected p",
)  # fmt: skip
ALPHA = 0.05
# scores of halves below this say that the RDMs contain little but noise
HALF = 0.5


def null_rows(maps: Sequence[FoundMap], mask: NDArray[np.bool_]) -> list[tuple[str, ...]]:
    """Sum up the permutations of each map of scores.

    Returns
    -------
    list of tuple of str
        A row for each map, see `NULL_COLUMNS`.
    """
    by_stem = {one.stem: one for one in maps}
    rows = []
    for one in maps:
        stat = one.stem.partition("_stat-")[2].partition("_")[0]
        p = by_stem.get(one.stem.replace(f"_stat-{stat}_", f"_stat-{stat}P_"))
        corrected = by_stem.get(one.stem.replace(f"_stat-{stat}_", f"_stat-{stat}MaxFWEp_"))
        if one.comparison and one.is_score and p is not None and corrected is not None:
            name = f"{one.comparison.name}, model {one.model}"
            rows.append((name, *_of_null(p.sidecar), *_of_p(p, corrected, mask)))
    return rows


def _of_null(sidecar: dict[str, Any]) -> tuple[str, ...]:
    """Say how many permutations there are, and what the scores are under them."""
    relabelings = sidecar["Relabelings"]
    least = "at least " if relabelings.get("DistinctIsLowerBound") else ""
    all_used = " (all there are)" if relabelings.get("Exhaustive") else ""
    return (
        f"{number(relabelings['Used'])}{all_used}",
        f"{least}{number(relabelings['Distinct'])}",
        f"{sidecar['SmallestP']:.3g}",
        f"{sidecar['NullMean']['Median']:.3g}",
        f"{sidecar['NullSD']['Median']:.3g}",
    )


def _of_p(p: FoundMap, corrected: FoundMap, mask: NDArray[np.bool_]) -> tuple[str, ...]:
    """Count the centres with a small p, and those with a small corrected p."""
    known = p.data[mask][np.isfinite(p.data[mask])]
    low = corrected.data[mask][np.isfinite(corrected.data[mask])]
    if not known.size or not low.size:
        return ("not known",) * 3
    return (
        f"{100 * (known <= ALPHA).mean():.1f} %",
        number(int((low <= ALPHA).sum())),
        f"{low.min():.3g}",
    )


def reliability_view(maps: Sequence[FoundMap], mask: NDArray[np.bool_]) -> dict[str, Any] | None:
    """Show how the two halves' RDMs agree; None where they were not compared."""
    found = next((one for one in maps if "_stat-reliability_" in one.stem), None)
    if found is None:
        return None
    values = found.data[mask].astype(np.float64)
    known = values[np.isfinite(values)]
    halves = found.sidecar.get("Halves") or ["not known", "not known"]
    rows = [
        ("Compared by", str(found.sidecar.get("ReliabilityComparison", "not known"))),
        ("First half", halves[0].replace("+", ", ")),
        ("Second half", halves[1].replace("+", ", ")),
    ]
    if known.size:
        low, median, high = np.quantile(known, (0.05, 0.5, 0.95))
        rows += [
            ("Median over centres", f"{median:.3f}"),
            ("5 % and 95 % of centres are below", f"{low:.3f} and {high:.3f}"),
            ("Centres above 0", f"{100 * (known > 0).mean():.0f} %"),
            (f"Centres above {HALF:g}", f"{100 * (known > HALF).mean():.1f} %"),
            ("Highest", f"{known.max():.3f}"),
        ]
    return {"rows": rows, "histogram": histogram(values, "agreement of the two halves")}
