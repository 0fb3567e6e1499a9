"""Which images of an analysis are used, and the fold and condition of each, before any is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.folds import cell_counts, consecutive_groups
from bids_rsa.errors import InputError, OptionError
from bids_rsa.records import Analysis, ConditionImage, missing_by_run, natural_key
from bids_rsa.settings import ReadingSettings

HALVES = "halves"  # folds: odd and even runs


@dataclass(frozen=True)
class StackPlan:
    """Which images are read, and the fold and the condition that each belongs to.

    ``condition_of`` and ``fold_of`` have one index for each of ``images``; ``fold_labels`` names
    the runs of each fold, and is empty without cross-validation.
    """

    images: tuple[ConditionImage, ...]
    conditions: tuple[str, ...]
    condition_of: tuple[int, ...]
    fold_of: tuple[int, ...]
    fold_labels: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def counts(self) -> NDArray[np.int64]:
        """Images of each fold and condition, (n_folds, n_conditions)."""
        return cell_counts(
            np.array(self.fold_of, dtype=np.intp),
            np.array(self.condition_of, dtype=np.intp),
            max(len(self.fold_labels), 1),
            len(self.conditions),
        )


def plan_stack(analysis: Analysis, rsa: ReadingSettings) -> StackPlan:
    """Choose images and folds for an analysis, before anything is read.

    Parameters
    ----------
    analysis : Analysis
    rsa : ReadingSettings
        ``folds`` and ``missing_runs`` are used.

    Raises
    ------
    InputError
        If a condition is missing from a run or a fold where it is needed.
    OptionError
        If the images' runs cannot make the folds asked for.
    """
    conditions = tuple(name for name in analysis.conditions if name not in analysis.dropped)
    images = tuple(image for image in analysis.images if image.condition in conditions)
    images, warnings = _complete_runs(analysis, images, conditions, rsa.missing_runs)
    fold_of, labels = _folds(analysis, images, rsa.folds)
    plan = StackPlan(
        images=images,
        conditions=conditions,
        condition_of=tuple(conditions.index(image.condition) for image in images),
        fold_of=fold_of,
        fold_labels=labels,
        warnings=warnings,
    )
    _refuse_empty_cells(analysis, plan)
    if rsa.center == "conditions" and not labels and len(conditions) < 3:
        raise OptionError(
            f"{analysis.label}: --center conditions subtracts the mean over conditions; of "
            f"{len(conditions)} conditions without folds only a pattern and its negative remain.",
            "Use --folds, more conditions, or --center none.",
        )
    return plan


def cells_within_run(analysis: Analysis, plan: StackPlan) -> NDArray[np.bool_]:
    """Find the pairs of conditions whose images all come from one and the same run.

    Returns
    -------
    within : (n_conditions, n_conditions) bool

    Raises
    ------
    OptionError
        The images carry no run.
    """
    runs: dict[str, set[str | None]] = {name: set() for name in plan.conditions}
    for image in plan.images:
        runs[image.condition].add(image.run)
    if None in set.union(*runs.values()):
        raise OptionError(
            f"{analysis.label}: --exclude-within run needs images of single runs, and these carry "
            f"no run, for example {plan.images[0].path}.",
            "Fit the GLM run by run, or leave the option out.",
        )
    single = [next(iter(runs[name])) if len(runs[name]) == 1 else None for name in plan.conditions]
    alone = np.array([run is not None for run in single])
    same = np.array([[one == other for other in single] for one in single])
    return np.asarray(same & alone & alone[:, None] & ~np.eye(len(single), dtype=bool))


def _complete_runs(
    analysis: Analysis,
    images: tuple[ConditionImage, ...],
    conditions: tuple[str, ...],
    missing_runs: str,
) -> tuple[tuple[ConditionImage, ...], tuple[str, ...]]:
    """Deal with conditions that are missing from some runs, as ``--missing-runs`` says."""
    n_runs = len({image.run for image in images})
    absent = missing_by_run(images, conditions)
    if not absent or n_runs == 1:
        return images, ()
    table = "\n".join(f"  run {run}: {', '.join(names)}" for run, names in absent.items())
    what = f"Conditions are missing from {len(absent)} of {n_runs} runs:\n{table}"
    if missing_runs == "average":
        return images, (
            f"{what}\nEach condition is averaged over the runs that have it, so differences "
            "between runs enter the RDM (--missing-runs average).",
        )
    if missing_runs == "complete":
        kept = tuple(image for image in images if image.run not in absent)
        if kept:
            return kept, (f"{what}\nThese runs are left out (--missing-runs complete).",)
        what += "\nNo run has every condition."
    raise InputError(
        f"{analysis.label}: {what}",
        "--missing-runs complete keeps only the runs with every condition; --missing-runs average "
        "averages what there is, and run effects then enter the RDM.",
    )


def _folds(
    analysis: Analysis, images: tuple[ConditionImage, ...], folds: str
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Assign images to folds of whole runs; returns fold indices and fold labels."""
    if folds == "none":
        return (0,) * len(images), ()
    runs = sorted({image.run for image in images}, key=natural_key)
    if folds == HALVES:
        return _halves(analysis, images, runs)
    if None in runs:
        raise OptionError(
            f"{analysis.label}: --folds {folds} needs images of single runs, but these carry no "
            f"run, for example {images[0].path}. A GLM fitted over several runs gives only one "
            "image per condition.",
            "Fit the GLM run by run, or use --folds none.",
        )
    n_folds = len(runs) if folds in ("runs", "max") else int(folds)
    if not 2 <= n_folds <= len(runs):
        raise OptionError(
            f"{analysis.label}: --folds {folds} cannot be made of {len(runs)} "
            f"run{'s' if len(runs) > 1 else ''} ({', '.join(map(str, runs))}): a fold is one or "
            "more whole runs, and there must be at least two.",
            f"Use --folds none{f' or a number up to {len(runs)}' if len(runs) > 1 else ''}.",
        )
    fold_of_run = dict(zip(runs, consecutive_groups(len(runs), n_folds).tolist(), strict=True))
    labels = tuple(
        "+".join(f"run-{run}" for run in runs if fold_of_run[run] == fold)
        for fold in range(n_folds)
    )
    return tuple(fold_of_run[image.run] for image in images), labels


def _halves(
    analysis: Analysis, images: tuple[ConditionImage, ...], runs: Sequence[str | None]
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Assign the first, third ... run to one half, the others to the other."""
    if len(runs) < 2:
        raise OptionError(
            f"{analysis.label}: --reliability compares odd and even runs, and there "
            f"{'is only one run' if runs[0] else 'are only images that carry no run'}, for "
            f"example {images[0].path}.",
            "Fit the GLM run by run, or remove --reliability.",
        )
    labels = tuple("+".join(f"run-{run}" for run in runs[half::2]) for half in range(2))
    return tuple(runs.index(image.run) % 2 for image in images), labels


def half_labels(analysis: Analysis, rsa: ReadingSettings) -> tuple[str, ...]:
    """Name the runs of the two halves whose RDMs ``--reliability`` compares.

    Raises
    ------
    InputError, OptionError
        Too few runs, or a half without an image of a condition.
    """
    if rsa.folds == "none":
        return plan_stack(analysis, replace(rsa, folds=HALVES)).fold_labels
    folds = plan_stack(analysis, rsa).fold_labels
    if len(folds) < 4:
        raise OptionError(
            f"{analysis.label}: --reliability compares odd and even folds, each half "
            f"cross-validated by itself: that needs at least four folds, and there are "
            f"{len(folds)}.",
            "Use more folds, --folds none, or remove --reliability.",
        )
    return "+".join(folds[::2]), "+".join(folds[1::2])


def _refuse_empty_cells(analysis: Analysis, plan: StackPlan) -> None:
    """Refuse a plan in which a fold (or the whole) has no image of a condition."""
    empty = [
        (plan.fold_labels[fold] if plan.fold_labels else "", plan.conditions[condition])
        for fold, condition in np.argwhere(plan.counts == 0)
    ]
    if not empty:
        return
    if not plan.fold_labels:
        names = ", ".join(condition for _, condition in empty)
        raise InputError(
            f"{analysis.label}: there is no image of {names}.", "Check the conditions."
        )
    places = "\n".join(f"  fold {fold}: {condition}" for fold, condition in empty)
    raise InputError(
        f"{analysis.label}: every fold needs an image of every condition; missing are\n{places}",
        "Use fewer folds, --missing-runs complete, or --folds none.",
    )


def images_per_condition(plan: StackPlan) -> dict[str, int]:
    """Count the images of each condition."""
    return dict(zip(plan.conditions, plan.counts.sum(axis=0).tolist(), strict=True))


def runs_per_condition(plan: StackPlan) -> dict[str, int]:
    """Count the runs of each condition; images without a run count as one run."""
    pairs = {(image.condition, image.run) for image in plan.images}
    counts = Counter(condition for condition, _ in pairs)
    return {name: counts[name] for name in plan.conditions}


def trials_per_condition(plan: StackPlan) -> dict[str, float]:
    """Sum the trials behind each condition; empty where any number is unknown."""
    if any(image.n_trials is None for image in plan.images):
        return {}
    sums = dict.fromkeys(plan.conditions, 0.0)
    for image in plan.images:
        sums[image.condition] += image.n_trials or 0.0
    return sums
