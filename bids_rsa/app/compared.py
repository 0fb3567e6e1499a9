"""What the RDMs of one analysis are compared with: its models, and how their cells are weighed."""

from collections.abc import Sequence

from numpy.typing import NDArray

from bids_rsa.models.cells import leave_out_of_all
from bids_rsa.models.covariance import DESIGN, condition_covariance
from bids_rsa.patterns.design_covariance import mean_design_covariance
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
    choice = rsa.condition_covariance
    design = mean_design_covariance(analysis, plan) if choice == DESIGN else ()
    return condition_covariance(choice, analysis, plan.conditions, design)
