"""How the designs of an analysis's runs correlate the estimates of its conditions."""

from collections import Counter

import numpy as np

from bids_rsa.patterns.stack_plan import StackPlan
from bids_rsa.records import Analysis, BoldRun
from bids_rsa.words import few

Matrix = tuple[tuple[float, ...], ...]


def mean_design_covariance(analysis: Analysis, plan: StackPlan) -> Matrix:
    """Average the covariance of the condition estimates under white noise over the runs used.

    Parameters
    ----------
    analysis : Analysis
    plan : StackPlan

    Returns
    -------
    tuple of tuple, n_conditions x n_conditions
        In the order of ``plan.conditions``; conditions that a map pools are averaged. Empty where
        the images were not estimated by the app, or no run has all conditions.
    """
    found = []
    for run in analysis.bold_runs:
        weights = _weights(run, analysis, plan)
        if weights is not None and run.design is not None:
            covariance = np.nan_to_num(np.array(run.design.covariance))  # of conditions not used
            found.append(weights @ covariance @ weights.T)
    if not found:
        return ()
    return tuple(map(tuple, np.mean(found, axis=0).tolist()))


def _weights(run: BoldRun, analysis: Analysis, plan: StackPlan) -> np.ndarray | None:
    """Weight a run's conditions in each one of the analysis; None where one is missing."""
    assert run.design is not None
    own = {name: i for i, name in enumerate(run.design.conditions)}
    names = dict(run.condition_names)
    counts = Counter(
        (image.condition, names[image.path]) for image in plan.images if image.reference == run.path
    )
    weights = np.zeros((len(plan.conditions), len(own)))
    for (condition, name), count in counts.items():
        weights[plan.conditions.index(condition), own[name]] = count
    totals = weights.sum(axis=1, keepdims=True)
    return weights / totals if totals.all() else None


def run_warnings(analysis: Analysis) -> tuple[str, ...]:
    """List what the estimation of the runs warns of, each once with the runs that share it."""
    found: dict[str, list[str]] = {}
    for run in analysis.bold_runs:
        for warning in run.warnings:
            found.setdefault(warning, []).append(run.run or run.label)
    return tuple(f"Run {few(runs)}: {warning}" for warning, runs in found.items())
