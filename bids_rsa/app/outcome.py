"""What became of each subject of a run."""

import logging
from dataclasses import dataclass, field

from bids_rsa.app.summary import SummaryRow
from bids_rsa.errors import BidsRsaError

LOGGER = logging.getLogger(__name__)


@dataclass
class Outcome:
    """What happened to each subject."""

    rows: list[SummaryRow] = field(default_factory=list)
    failures: dict[str, BidsRsaError] = field(default_factory=dict)

    def fail(self, subject: str, error: BidsRsaError) -> None:
        """Note a failure, and say it at once."""
        self.failures[subject] = error
        LOGGER.error("sub-%s: %s", subject, error)

    def exit_code(self) -> int:
        """Give the failure's own code when nothing is there, 1 when only some failed."""
        if not self.failures:
            return 0
        codes = {error.exit_code for error in self.failures.values()}
        return codes.pop() if not self.rows and len(codes) == 1 else 1
