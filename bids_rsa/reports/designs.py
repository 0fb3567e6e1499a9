"""The first-level models of runs that the app has estimated itself: their sidecars, in words."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bids_rsa.outputs.derivatives import read_sidecar
from bids_rsa.reports.sidecar_values import Sidecar, counts, distinct, joined, number, span
from bids_rsa.words import listing

_DRIFT = re.compile(r"cosine\d*")
_SPIKE = re.compile(r"spike_.*")
RESPONSES = {
    "spm": "SPM's canonical haemodynamic response function",
    "glover": "the haemodynamic response function of Glover",
    "spm+derivative": (
        "SPM's canonical haemodynamic response function and its temporal derivative"
    ),
    "glover+derivative": (
        "the haemodynamic response function of Glover and its temporal derivative"
    ),
    "fir": "finite impulse responses",
}
ESTIMATORS = {"OLS": "ordinary least squares", "AR(1)": "least squares with an AR(1) noise model"}


def find_designs(folder: Path) -> dict[str, dict[str, Any]]:
    """Read the sidecars of the design matrices below a folder, by name."""
    found = {}
    for path in sorted(folder.rglob("*_design.json")):
        sidecar = read_sidecar(path)
        if sidecar is not None and "Estimator" in sidecar:
            found[path.stem.removesuffix("_design")] = sidecar
    return found


def design_rows(designs: dict[str, dict[str, Any]]) -> list[tuple[str, ...]]:
    """Describe the design of each run: a row of `DESIGN_COLUMNS`."""
    return [
        (
            name,
            str(one["Estimator"]),
            str(one.get("HRF", "not known")),
            number(one["RepetitionTime"]),
            span(counts([one], "EventsPerCondition")),
            str(len(_confounds(one.get("Confounds", ())))),
            str(len(one.get("SpikeVolumes", ()))),
            number(one["DegreesOfFreedom"]),
        )
        for name, one in designs.items()
    ]


DESIGN_COLUMNS = (
    *("run", "estimator", "response function", "repetition time (s)", "events of a condition"),
    *("confounds", "spikes", "degrees of freedom"),
)


def _nuisance_sentences(designs: Sequence[Sidecar]) -> Iterator[str]:
    """Name the confounds, and count the cosines and the volumes modelled as spikes."""
    columns = [[str(name) for name in one.get("Confounds", ())] for one in designs]
    named = list(dict.fromkeys(name for names in columns for name in _confounds(names)))
    if named:
        counts_of = span(len(_confounds(names)) for names in columns)
        yield f"The design of each run contained {counts_of} confounds ({listing(named)})."
    cosines = [sum(bool(_DRIFT.fullmatch(name)) for name in names) for names in columns]
    if any(cosines):
        yield (
            "Drifts were modelled with the cosine regressors of the confounds table "
            f"({span(cosines)} per run)."
        )
    spikes = [len(one.get("SpikeVolumes", ())) for one in designs]
    if any(spikes):
        yield f"Censored volumes, with one regressor each: {span(spikes)} per run."


def _confounds(columns: Sequence[str]) -> list[str]:
    """Leave out the cosines and the spikes."""
    return [name for name in columns if not (_DRIFT.fullmatch(name) or _SPIKE.fullmatch(name))]


def design_sentences(designs: Sequence[Sidecar]) -> Iterator[str]:
    """Say how condition images were estimated from the BOLD series."""
    if not designs:
        return
    how = joined([ESTIMATORS.get(name, name) for name in distinct(designs, "Estimator")])
    responses = joined([RESPONSES.get(name, str(name)) for name in distinct(designs, "HRF")])
    times = joined([number(seconds) for seconds in distinct(designs, "RepetitionTime")])
    yield (
        "Condition images were estimated from the preprocessed BOLD series of each run (repetition "
        f"time {times} s) by a general linear model ({how}) with {responses}, using Nilearn "
        "[@abraham2014]."
    )
    cutoffs = [one.get("CutoffSeconds") for one in distinct(designs, "HighPass")]
    known = [number(seconds) for seconds in cutoffs if seconds]
    if known:
        yield f"Drifts were modelled with a high-pass cut-off of {joined(known)} s."
    yield from _nuisance_sentences(designs)
    freedom = span(one["DegreesOfFreedom"] for one in designs)
    yield f"The residual degrees of freedom were {freedom} per run."
