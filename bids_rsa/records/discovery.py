"""All that was found for one call of the app."""

from dataclasses import dataclass

from bids_rsa.errors import BidsRsaError
from bids_rsa.records.analysis import Analysis


@dataclass(frozen=True)
class Discovery:
    """All that was found for one call of the app.

    ``failures`` contains participants that cannot run, with the reason, while others can.
    ``skipped`` contains participants left out as asked (``--missing skip``). ``notes`` and
    ``warnings`` are sentences for the log. ``datasets`` are the datasets searched as (name, path).
    """

    analyses: tuple[Analysis, ...]
    failures: tuple[tuple[str, BidsRsaError], ...] = ()
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    datasets: tuple[tuple[str, str], ...] = ()
    seconds: float = 0.0
