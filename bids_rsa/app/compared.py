"""What the RDMs of one analysis are compared with: its models, and how their cells are weighed."""

from collections.abc import Sequence

from numpy.typing import NDArray

from bids_rsa.models.cells import leave_out_of_all
from bids_rsa.models.covariance import condition_covariance
from bids_rsa.patterns.stack_plan import StackPlan, cells_within_run
from bids_rsa.records import Analysis, ModelRdm
from bids_rsa.settings import RsaSettings


def models_of(
    analysis: Analysis, plan: StackPlan, models: Sequence[ModelRdm], rsa: RsaSettings
) -> tuple[ModelRdm, ...]:
    """Leave out of the models what this analysis leaves out (``--exclude-within``).

    Raises
    ------
    OptionError
        Images that carry no run.
    """
    if rsa.exclude_within == "none":
        return tuple(models)
    return leave_out_of_all(models, plan.conditions, cells_within_run(analysis, plan))


def covariance_of(analysis: Analysis, plan: StackPlan, rsa: RsaSettings) -> NDArray | None:
    """Find the covariance of the condition estimates; errors as in `condition_covariance`."""
    return condition_covariance(rsa.condition_covariance, analysis, plan.conditions)
