"""Which noise an analysis is normalised by, checked before any value is read."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bids_rsa.core.noise.covariance import check_dof
from bids_rsa.core.noise.model import images_left
from bids_rsa.errors import ContentError, InputError, OptionError
from bids_rsa.patterns.readers import Series
from bids_rsa.patterns.stack_plan import HALVES, StackPlan, plan_stack
from bids_rsa.records import Analysis, Residuals
from bids_rsa.settings import AUTO, IMAGES, POOLED_IMAGES, RESIDUALS, RsaSettings
from bids_rsa.spaces.grid import Grid, reorder
from bids_rsa.spaces.space import Layout
from bids_rsa.words import few, listing

_NO_NOISE = "none"


@dataclass(frozen=True)
class NoisePlan:
    """Where the noise of an analysis is estimated from.

    ``source`` is ``residuals`` or ``images``; ``volumes`` are the volumes of each of ``residuals``;
    ``dof_from`` says where the degrees of freedom come from. ``held_out``: each fold is weighted by
    the covariance of the other folds' images. ``run_of`` is the run of each image where patterns
    are centred: what all images of a run share is not noise then.
    """

    method: str
    source: str
    dof: float
    dof_from: str
    residuals: tuple[Residuals, ...] = ()
    volumes: tuple[int, ...] = ()
    held_out: bool = False
    run_of: tuple[int, ...] | None = None
    note: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """All files of residuals."""
        return tuple(path for residuals in self.residuals for path in residuals.files)

    @property
    def whitened(self) -> bool | None:
        """Whether residuals were whitened in time; None: not known, or not of one kind."""
        kinds = {residuals.whitened for residuals in self.residuals}
        return kinds.pop() if len(kinds) == 1 else None


def plan_noise(
    analysis: Analysis, plan: StackPlan, rsa: RsaSettings, layout: Layout
) -> NoisePlan | None:
    """Choose the source of the noise, and check it.

    Parameters
    ----------
    analysis : Analysis
        Its ``residuals`` are those that were found.
    plan : StackPlan
        The images that are used.
    rsa : RsaSettings
        ``noise``, ``noise_from``, ``residual_dof`` are used.
    layout : Layout
        Of the images.

    Returns
    -------
    NoisePlan or None
        None without noise normalisation.

    Raises
    ------
    InputError
        Runs without residuals, or too few images.
    ContentError
        Residuals on another grid, or that are no series.
    OptionError
        Degrees of freedom that are not positive.
    """
    if rsa.noise == _NO_NOISE:
        return None
    runs = list(dict.fromkeys(image.run for image in plan.images))
    found = {residuals.run: residuals for residuals in analysis.residuals}
    lacking = [run for run in runs if run not in found]
    if rsa.noise_from == RESIDUALS and lacking:
        raise InputError(
            f"{analysis.label}: --noise-from residuals, and there are no residuals of "
            f"{_runs(lacking)} next to the images (of {plan.images[0].source}).",
            "Let the first-level model keep its residuals (nilearn: minimize_memory=False; "
            "fitlins: --error-ts; SPM: spm_write_residuals; FEAT: res4d is kept by default), name "
            "them with --residuals, or use --noise-from images.",
        )
    if rsa.noise_from in (AUTO, RESIDUALS) and not lacking:
        return _from_residuals(analysis, [found[run] for run in runs], rsa, layout)
    return _from_images(analysis, plan, rsa, lacking)


def _from_residuals(
    analysis: Analysis, residuals: list[Residuals], rsa: RsaSettings, layout: Layout
) -> NoisePlan:
    """Check the headers of residuals, and count degrees of freedom."""
    volumes = tuple(_check_series(one, layout, analysis) for one in residuals)
    known = [one.dof for one in residuals]
    if rsa.residual_dof is not None:
        dof, origin = rsa.residual_dof, "--residual-dof"
    elif all(value is not None for value in known):
        dof, origin = float(sum(value or 0.0 for value in known)), "the first-level models"
    else:
        dof, origin = float(sum(volumes) - len(volumes)), "volumes minus one for each run"
    try:
        check_dof(dof)
    except ValueError as error:
        raise OptionError(
            f"{analysis.label}: {error} ({origin}; {sum(volumes)} volumes of {len(volumes)} runs).",
            "Give the volumes minus the rank of the design, of all runs, with --residual-dof.",
        ) from None
    if dof > sum(volumes):
        raise OptionError(
            f"{analysis.label}: {dof:g} degrees of freedom ({origin}) are more than the "
            f"{sum(volumes)} volumes of the residuals.",
            "Give the volumes minus the rank of the design, of all runs, with --residual-dof.",
        )
    plan = NoisePlan(rsa.noise, RESIDUALS, dof, origin, tuple(residuals), volumes)
    how = {True: "whitened in time", False: "not whitened in time", None: "whitened or not"}
    note = (
        f"Noise ({rsa.noise}) from the residuals of {len(volumes)} "
        f"run{'s' if len(volumes) > 1 else ''} ({how[plan.whitened]}): {few(plan.files)}; "
        f"{sum(volumes)} volumes, {dof:g} degrees of freedom ({origin})."
    )
    return replace(plan, note=note)


def _check_series(residuals: Residuals, grid: Layout, analysis: Analysis) -> int:
    """Check the files of one run; return its volumes."""
    count = 0
    for paths in residuals.volumes_of:
        source, path = Series(paths), paths[0]
        count += source.n_volumes
        if not source.layout.equals(grid) and not _same_voxels(source.layout, grid):
            raise ContentError(
                f"{analysis.label}: the residuals are on another grid than the images: "
                f"{source.layout.differences(grid)} differ.\n  images: {grid.describe()}\n"
                f"  {path}: {source.layout.describe()}",
                "Residuals must be of the same model as the images, in the same space; or use "
                "--noise-from images.",
            )
    if count < 2:
        raise ContentError(
            f"{analysis.label}: the residuals of {_runs([residuals.run])} contain {count} volume "
            f"({few(residuals.paths)}); a series is expected.",
            "Name a 4D image, or all files of the run, with --residuals.",
        )
    return count


def _same_voxels(source: Layout, target: Layout) -> bool:
    """Tell whether a grid contains the same voxels in another orientation."""
    if not isinstance(source, Grid) or not isinstance(target, Grid):
        return False
    return reorder(np.broadcast_to(np.False_, source.shape), source, target) is not None


def _from_images(
    analysis: Analysis, plan: StackPlan, rsa: RsaSettings, lacking: list[str | None]
) -> NoisePlan:
    """Count what images leave after the mean of each condition."""
    if rsa.residual_dof is not None:
        raise OptionError(
            f"{analysis.label}: --residual-dof is for residuals, but the noise is estimated "
            f"from images{f' (there are no residuals of {_runs(lacking)})' if lacking else ''}.",
            "Remove --residual-dof, or name the residuals with --residuals.",
        )
    run_of = _runs_of(plan) if rsa.center == "conditions" else None
    dof = images_left(plan.condition_of, np.zeros(len(plan.images)), run_of)
    if dof <= 0:
        why = (
            f"each of the {len(plan.conditions)} conditions has a single image"
            if len(plan.images) == len(plan.conditions)
            else f"{len(plan.images)} images without the means of conditions and runs (--center) "
            "leave no degrees of freedom"
        )
        raise InputError(
            f"{analysis.label}: the noise cannot be estimated: there are no residuals next to the "
            f"images, and {why}.",
            "Name the residuals of the first-level model with --residuals, give images of two runs "
            "or more, or use --noise none.",
        )
    held_out = bool(plan.fold_labels) and rsa.noise_from != POOLED_IMAGES
    origin = f"images minus conditions{'' if run_of is None else ' and runs'}"
    if held_out:
        dof, origin = (
            _without_a_fold(analysis, plan, run_of),
            f"{origin}, without the fold that is weighted",
        )
    if rsa.reliability:
        _check_halves(analysis, plan, rsa, held_out, run_of)
    why = f" (no residuals of {_runs(lacking)} were found)" if rsa.noise_from == AUTO else ""
    which = ", for each fold those of the other folds" if held_out else ""
    note = (
        f"Noise ({rsa.noise}) from the deviations of {len(plan.images)} images from the mean of "
        f"their condition{'' if run_of is None else ' and of their run'}{which}{why}: {dof} "
        "degrees of freedom."
    )
    return NoisePlan(
        rsa.noise, IMAGES, float(dof), origin, held_out=held_out, run_of=run_of, note=note,
        warnings=() if held_out else _bias(plan),
    )  # fmt: skip


def _runs_of(plan: StackPlan) -> tuple[int, ...]:
    """Return the number of each image's run."""
    names = list(dict.fromkeys(image.run for image in plan.images))
    return tuple(names.index(image.run) for image in plan.images)


def _without_a_fold(analysis: Analysis, plan: StackPlan, run_of: tuple[int, ...] | None) -> int:
    """Count the degrees of freedom that are left without a fold, where they are fewest."""
    dof = images_left(plan.condition_of, plan.fold_of, run_of)
    if dof <= 0:
        raise InputError(
            f"{analysis.label}: the noise cannot be estimated: there are no residuals next to the "
            "images, and a fold must not be weighted by the noise of its own images, which would "
            "put distances above 0 where nothing differs. Without one of the "
            f"{len(plan.fold_labels)} folds no condition has two images.",
            "Name the residuals of the first-level model with --residuals, give images of three "
            "runs or more, use --noise none, or take the bias of --noise-from pooled-images.",
        )
    return dof


def _check_halves(
    analysis: Analysis,
    plan: StackPlan,
    rsa: RsaSettings,
    held_out: bool,
    run_of: tuple[int, ...] | None,
) -> None:
    """Refuse halves whose noise cannot be estimated from their own images."""
    conditions = np.array(plan.condition_of)
    halves = np.array(plan.fold_of) % 2
    if not plan.fold_labels:
        halves = np.array(plan_stack(analysis, replace(rsa, folds=HALVES)).fold_of)
    folds = np.array(plan.fold_of) if held_out else np.zeros_like(conditions)
    least = min(
        images_left(
            conditions[halves == half],
            folds[halves == half],
            None if run_of is None else np.array(run_of)[halves == half],
        )
        for half in (0, 1)
    )
    if least <= 0:
        raise InputError(
            f"{analysis.label}: --reliability compares odd and even runs, and the noise of one "
            "half cannot be estimated from its own images"
            f"{': without one of its folds no condition has two images' if held_out else ''}.",
            "Name the residuals of the first-level model with --residuals, omit --reliability, "
            "or use --noise none.",
        )


def _bias(plan: StackPlan) -> tuple[str, ...]:
    """Warn that noise from images is not independent of the patterns that it normalises."""
    if not plan.fold_labels:
        return ()
    counts = plan.counts.sum(axis=0)
    structure = (
        "by about the same amount for all pairs of conditions"
        if (counts == counts[0]).all()
        else f"and, as conditions have {counts.min()} to {counts.max()} images, by different "
        "amounts, which shows as structure in the RDM"
    )
    return (
        "Noise is estimated from the images of all folds together, so patterns and noise are not "
        "independent: cross-validated distances are above 0 on average where nothing differs, "
        f"{structure}. --noise-from images, which leaves each fold out, and residuals have no "
        "such bias.",
    )


def _runs(runs: list[str | None]) -> str:
    """Name runs for a message."""
    named = [run for run in runs if run is not None]
    if not named:
        return "the model"
    return f"run{'s' if len(named) > 1 else ''} {listing(named)}"
