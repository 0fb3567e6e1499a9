"""Which files next to the images fit an analysis: its space, runs, dataset and grid."""

from collections.abc import Mapping, Sequence

from bids_rsa.discovery.index import IndexedFile
from bids_rsa.discovery.selection import same_label
from bids_rsa.entities import OF_SPACE, by_number
from bids_rsa.records import Analysis, ConditionImage
from bids_rsa.spaces.grid import Grid
from bids_rsa.spaces.headers import header_of


def fits_analysis(file: IndexedFile, analysis: Analysis, any_session: bool = False) -> bool:
    """Tell whether a file is of the analysis' space, and of no other session or task."""
    return (
        file.space == analysis.space
        and (any_session or analysis.session is None or file.session in (None, analysis.session))
        and (file.task is None or analysis.task is None or file.task == analysis.task)
        and (file.acquisition is None or file.acquisition == analysis.acquisition)
        and (
            file.resolution == analysis.resolution or None in (file.resolution, analysis.resolution)
        )
        and _fits_others(by_number(file.others), by_number(analysis.others))
    )


def _fits_others(file: Mapping[str, str | None], analysis: Mapping[str, str | None]) -> bool:
    """Compare further entities: a file may lack those that don't say where its voxels are."""
    same = all(analysis.get(key, value) == value for key, value in file.items())
    return same and all(file.get(key) == analysis[key] for key in OF_SPACE if key in analysis)


def fits_run(file: IndexedFile, runs: set[str | None]) -> bool:
    """Tell whether a file belongs to one of the runs, or to all of them."""
    return file.run is None or None in runs or any(same_label(file.run, r) for r in runs if r)


def one_dataset(
    files: Sequence[IndexedFile], images: Sequence[ConditionImage]
) -> list[IndexedFile]:
    """Keep the files of one dataset: the images' own where it has any, else the first."""
    datasets = [f.dataset.path for f in files]
    if not datasets:
        return []
    own = images[0].dataset
    chosen = own if own in datasets else datasets[0]
    return [f for f in files if f.dataset.path == chosen]


def one_resolution(
    files: Sequence[IndexedFile], images: Sequence[ConditionImage]
) -> list[IndexedFile]:
    """Choose among masks of several resolutions, where the images don't say theirs."""
    resolutions = {f.resolution for f in files}
    if len(resolutions) < 2:
        return list(files)
    fitting = {f.resolution for f in files if _same_grid(f.path, images[0])}
    chosen = min(fitting or resolutions, key=str)
    return [f for f in files if f.resolution == chosen]


def _same_grid(path: str, image: ConditionImage) -> bool:
    """Compare the grids of two files by their headers."""
    return grid_of_file(path).equals(grid_of_image(image))


def grid_of_file(path: str) -> Grid:
    """Read the grid of a file."""
    return header_of(path).grid


def grid_of_image(image: ConditionImage) -> Grid:
    """Read the grid of an image; a result without its own affine is on its reference's."""
    return grid_of_file(image.reference or image.path)
