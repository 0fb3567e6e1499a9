"""Residuals, or images, as one array in a file: a row for each voxel, mapped into memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.noise.model import NoiseModel, noise_from_images, noise_from_residuals
from bids_rsa.disk_arrays import create_array
from bids_rsa.errors import BidsRsaError, OptionError
from bids_rsa.patterns.noise_plan import NoisePlan, plan_noise
from bids_rsa.patterns.readers import Series, read_images
from bids_rsa.patterns.stack_plan import StackPlan, plan_stack
from bids_rsa.records import Analysis
from bids_rsa.settings import RsaSettings
from bids_rsa.spaces.space import Layout

# volumes that are turned into rows at a time
_VOLUMES = 64


@dataclass(frozen=True)
class NoiseSamples:
    """What noise is estimated from, as it is in a file.

    ``group_of`` is the run of each volume; of images, ``condition_of`` and ``fold_of`` say where
    they belong, ``held_out`` that each fold is weighted by the noise of the others, and ``run_of``
    the runs whose means are subtracted, if they are.
    """

    path: str
    method: str
    source: str
    dof: float
    group_of: tuple[int, ...] = ()
    condition_of: tuple[int, ...] = ()
    fold_of: tuple[int, ...] = ()
    held_out: bool = False
    run_of: tuple[int, ...] | None = None
    dof_from: str = ""
    whitened: bool | None = None
    files: tuple[str, ...] = ()
    note: str = ""
    warnings: tuple[str, ...] = ()

    def model(self) -> NoiseModel:
        """Map the file, and find each voxel's noise variance."""
        samples: Any = np.load(self.path, mmap_mode="r", allow_pickle=False)
        if self.source == "images":
            return noise_from_images(
                samples, self.condition_of, self.fold_of, self.method, self.held_out, self.run_of
            )
        return noise_from_residuals(samples, self.group_of, self.dof, self.method)


def noise_of(
    analysis: Analysis,
    rsa: RsaSettings,
    patch_mask: NDArray[np.bool_],
    layout: Layout,
    path: Path,
    n_threads: int,
    made: Mapping[str, str] | None = None,
) -> NoiseSamples:
    """Choose what noise is estimated from, and read it.

    Parameters
    ----------
    analysis : Analysis
    rsa : RsaSettings
    patch_mask : (n_locations,) bool
        Locations of the patches.
    layout : Layout
        Of the images.
    path : Path
        The .npy file to write.
    n_threads : int
        Images read at a time.
    made : mapping, optional
        By the path of a BOLD image: the residuals that the app made from it.

    Raises
    ------
    BidsRsaError
        See `bids_rsa.patterns.noise_plan.plan_noise`; a file that is missing or damaged.
    """
    plan = plan_stack(analysis, rsa.reading)
    noise = plan_noise(analysis, plan, rsa, layout)
    if noise is None:
        raise ValueError("there is no noise normalisation to read noise for")
    normalize = rsa.normalize == "variance"
    samples = read_noise(noise, plan, patch_mask, layout, path, normalize, n_threads, made or {})
    return replace(
        samples,
        dof_from=noise.dof_from,
        whitened=noise.whitened,
        files=noise.files,
        note=noise.note,
        warnings=noise.warnings,
    )


def read_noise(
    noise: NoisePlan,
    plan: StackPlan,
    patch_mask: NDArray[np.bool_],
    layout: Layout,
    path: Path,
    normalize: bool,
    n_threads: int,
    made: Mapping[str, str],
) -> NoiseSamples:
    """Write the noise's samples in the voxels of patches to a file.

    Parameters
    ----------
    noise : NoisePlan
    plan : StackPlan
        The images that are used.
    patch_mask : (n_locations,) bool
    layout : Layout
        Of the images.
    path : Path
        The .npy file to write.
    normalize : bool
        Divide images by the square root of their variance images.
    n_threads : int
        Images read at a time.
    made : mapping
        By the path of a BOLD image: the residuals that the app made from it.

    Raises
    ------
    BidsRsaError
        A file that is missing, damaged, or on another grid.
    """
    inside = np.flatnonzero(patch_mask)
    if noise.source == "residuals":
        _write(
            path, _residual_volumes(noise, layout, inside, made), len(inside), sum(noise.volumes)
        )
        runs = np.repeat(np.arange(len(noise.volumes)), noise.volumes)
        return NoiseSamples(
            str(path), noise.method, noise.source, noise.dof, group_of=tuple(runs.tolist())
        )

    def bring(values: NDArray[Any], source: Layout, name: str) -> NDArray[Any]:
        return np.asarray(layout.bring(values, source, name, "the mask")[inside])

    images = read_images(plan.images, bring, normalize, n_threads)
    _write(path, images, len(inside), len(plan.images))
    return NoiseSamples(
        str(path), noise.method, noise.source, noise.dof,
        condition_of=plan.condition_of, fold_of=plan.fold_of, held_out=noise.held_out,
        run_of=noise.run_of,
    )  # fmt: skip


@contextmanager
def unusable_noise(noise: NoiseModel | None, label: str) -> Iterator[None]:
    """Turn what the core refuses of a noise covariance into an error for users."""
    try:
        yield
    except ValueError as error:
        if noise is None or isinstance(error, BidsRsaError):
            raise
        raise OptionError(f"{label}: --noise {noise.method}: {error}.") from error


def _residual_files(noise: NoisePlan, made: Mapping[str, str]) -> list[tuple[str, ...]]:
    """List the files of residuals; those that the app made are where ``made`` says."""
    return [
        tuple(made[path] for path in paths) if residuals.from_bold else paths
        for residuals in noise.residuals
        for paths in residuals.volumes_of
    ]


def _residual_volumes(
    noise: NoisePlan, layout: Layout, inside: NDArray[np.intp], made: Mapping[str, str]
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield the volumes of all runs, each with its number."""
    number = 0
    for paths in _residual_files(noise, made):
        source = Series(paths)
        for volume in range(source.n_volumes):
            values = source.read(volume)
            yield number, layout.bring(values, source.layout, paths[0], "the images")[inside]
            number += 1


def _write(
    path: Path, samples: Iterator[tuple[int, NDArray[Any]]], n_voxels: int, n_samples: int
) -> None:
    """Write samples as the columns of a file, some at a time."""
    out: Any = None
    block: list[tuple[int, NDArray[Any]]] = []
    for sample in samples:
        if out is None or sample[1].dtype.itemsize > out.dtype.itemsize:
            out = _wider(out, path, sample[1].dtype, (n_voxels, n_samples))
        block.append(sample)
        if len(block) == _VOLUMES:
            _flush(out, block)
    _flush(out, block)
    if out is not None:
        out.flush()


def _wider(old: Any, path: Path, dtype: Any, shape: tuple[int, int]) -> Any:
    """Make the file, or make it again with a wider type: later files may contain doubles."""
    aside = path.with_suffix(".wider.npy") if old is not None else path
    new = create_array(aside, dtype, shape)
    if old is not None:
        for start in range(0, shape[0], 2**12):
            new[start : start + 2**12] = old[start : start + 2**12]
        aside.replace(path)
    return new


def _flush(out: Any, block: list[tuple[int, NDArray[Any]]]) -> None:
    """Write some columns, those that are side by side in one go."""
    if not block:
        return
    numbers = [number for number, _ in block]
    columns = np.stack([values for _, values in block], axis=1)
    if numbers == list(range(numbers[0], numbers[0] + len(numbers))):
        out[:, numbers[0] : numbers[0] + len(numbers)] = columns
    else:
        out[:, numbers] = columns
    block.clear()
