"""What became of each participant of a run."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from bids_rsa.app.summary import SummaryRow
from bids_rsa.errors import BidsRsaError
from bids_rsa.words import listing

LOGGER = logging.getLogger(__name__)


@dataclass
class Outcome:
    """What happened to each participant."""

    rows: list[SummaryRow] = field(default_factory=list)
    failures: dict[str, BidsRsaError] = field(default_factory=dict)

    def fail(self, subject: str, error: BidsRsaError) -> None:
        """Note a failure, and say it at once."""
        self.failures[subject] = error
        _log(subject, error)

    def fail_before(self, failures: Sequence[tuple[str, BidsRsaError]]) -> None:
        """Note failures found by checks; one that several participants share is said once."""
        alike: dict[str, list[str]] = {}
        for subject, error in failures:
            self.failures[subject] = error
            text = str(error).replace(f"sub-{subject}", "sub-*")
            alike.setdefault(text, []).append(subject)
        for first, *others in alike.values():
            _log(first, self.failures[first])
            if others:
                names = listing([f"sub-{subject}" for subject in others])
                LOGGER.error("The same applies to %s.", names)

    def exit_code(self) -> int:
        """Give the failure's own code when nothing is there, 1 when only some failed."""
        if not self.failures:
            return 0
        codes = {error.exit_code for error in self.failures.values()}
        return codes.pop() if not self.rows and len(codes) == 1 else 1


def _log(subject: str, error: BidsRsaError) -> None:
    """Log a failure with the name of its participant, which many messages begin with."""
    name = f"sub-{subject}"
    text = str(error)
    LOGGER.error("%s", text if text.startswith(name) else f"{name}: {text}")
