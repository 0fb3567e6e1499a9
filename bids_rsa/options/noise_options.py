"""Options of noise normalisation, and what goes with them."""

from bids_rsa.core.dissimilarity.table import find_dissimilarity
from bids_rsa.errors import OptionError
from bids_rsa.settings import Settings


def check_noise_options(settings: Settings) -> None:
    """Check what only the options together can tell.

    Raises
    ------
    OptionError
    """
    rsa = settings.rsa
    known = find_dissimilarity(rsa.dissimilarity)
    if known.needs_folds and rsa.folds == "none":
        raise OptionError(
            f"--dissimilarity {known.name} is cross-validated, and --folds is none.",
            "Give --folds runs (one run a fold) or a number of folds.",
        )
