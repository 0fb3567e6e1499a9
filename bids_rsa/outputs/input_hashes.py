"""Hashes of the content of input files, and of all that the result of an analysis depends on."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bids_rsa.errors import BidsRsaError, MissingFileError, ReadWriteError
from bids_rsa.records import Analysis, ConditionImage, HemisphereSurfaces
from bids_rsa.spaces.gifti_external import external_files, refuse_missing_external
from bids_rsa.spaces.hemispheres import hemisphere_named


@dataclass(frozen=True)
class FileState:
    """A file as it was hashed: ``stamp`` is its inode, size and times."""

    path: str
    sha256: str
    stamp: tuple[int, ...]


@dataclass(frozen=True)
class InputHashes:
    """Hashes of the content of all images of an analysis, of its masks and its surfaces.

    ``files`` are the files as they were hashed, for `refuse_changed`.
    """

    images: str
    brain_mask: str
    roi_mask: str
    files: tuple[FileState, ...] = ()
    surfaces: str = "none"

    def as_dict(self) -> dict[str, str]:
        """Give the hashes as they are in a sidecar; those of surfaces where there are any."""
        found = {"Images": self.images, "BrainMask": self.brain_mask, "ROIMask": self.roi_mask}
        return found | ({"Surfaces": self.surfaces} if self.surfaces != "none" else {})


def digest(value: Any) -> str:
    """Hash plain values through their one canonical JSON text."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def hash_file(path: str) -> str:
    """Hash the content of a file."""
    return file_state(path).sha256


def file_state(path: str) -> FileState:
    """Hash the content of a file, and note what tells whether it changes afterwards.

    The values of a GIFTI file that are in other files are part of its content.

    Raises
    ------
    MissingFileError, ReadWriteError
        There is no such file, or it cannot be read.
    """
    refuse_missing_external(path)
    own, *others = [_state(one) for one in (path, *external_files(path))]
    if not others:
        return own
    states = (own, *others)
    stamp = tuple(number for state in states for number in state.stamp)
    return FileState(path, digest([state.sha256 for state in states]), stamp)


def _state(path: str) -> FileState:
    """Hash the content of a single file."""
    try:
        with Path(path).open("rb") as file:
            stamp = _stamp(os.fstat(file.fileno()))
            return FileState(path, hashlib.file_digest(file, "sha256").hexdigest(), stamp)
    except FileNotFoundError:
        raise MissingFileError(f"There is no file {path}.", "Check the path.") from None
    except OSError as error:
        raise ReadWriteError(f"{path} cannot be read: {error.strerror}.") from None


def _stamp(found: os.stat_result) -> tuple[int, ...]:
    """Take what differs after a file was written or replaced."""
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def refuse_changed(files: Iterable[FileState]) -> None:
    """Refuse files that are not what they were when they were hashed.

    A result would carry the hash of something else. Only files with another stamp are hashed again.

    Raises
    ------
    ReadWriteError
        Names the first such file.
    """
    for file in files:
        try:
            paths = (file.path, *external_files(file.path))
            stamp = tuple(number for one in paths for number in _stamp(Path(one).stat()))
            same = stamp == file.stamp
        except (OSError, BidsRsaError):
            same = False
        if not same and hash_file(file.path) != file.sha256:
            raise ReadWriteError(
                f"{file.path} was changed or replaced while it was being read.",
                "Run the same command again, once nothing writes to the input.",
            )


def hash_analysis(
    analysis: Analysis, n_threads: int = 1, estimated: Mapping[str, str] | None = None
) -> InputHashes:
    """Hash all that an analysis's result depends on, each file once.

    The hash of the images covers which condition, run and volume each of them is, not where the
    files are.

    Parameters
    ----------
    group : Analysis
    n_threads : int
    estimated : mapping, optional
        By the path of a BOLD image: the hash of all that the estimates from it depend on.
    """
    known = estimated or {}
    files = {path for image in analysis.images for path in _image_files(image) if path}
    residuals = [path for run in analysis.residuals for path in run.files]
    surfaces = {path for one in analysis.surfaces for path in one.files}
    masks = {*analysis.brain_mask.paths, *analysis.roi_mask.paths}
    paths = sorted(files | masks | surfaces | _with_partners(residuals))
    with ThreadPoolExecutor(n_threads) as pool:
        states = tuple(pool.map(file_state, paths))
    content = {state.path: state.sha256 for state in states}
    images = [
        [image.condition, image.run, image.volume, image.variance_volume]
        + [content[path] if path else None for path in _image_files(image)]
        + ([known[image.reference or ""], Path(image.path).name] if image.is_estimate else [])
        for image in analysis.images
    ]
    return InputHashes(
        images=digest(
            [images, analysis.conditions, analysis.dropped]
            + [[content[path] for path in sorted(_with_partners(residuals))]] * bool(residuals)
        ),
        brain_mask=_mask_digest(analysis.brain_mask.paths, content)
        + " without voxels" * analysis.cortex_only,
        roi_mask=_roi_digest(analysis, content),
        files=states,
        surfaces=_surfaces_digest(analysis.surfaces, content),
    )


def companions(path: str) -> tuple[str, ...]:
    """Name the other files that a file's content is in.

    These are the other file of an Analyze or AFNI pair, and the files that contain the values of a
    GIFTI file.
    """
    partner = _partner(path)
    return (*([partner] if partner else []), *external_files(path))


def _with_partners(paths: Sequence[str]) -> set[str]:
    """Add the other files of Analyze and AFNI pairs."""
    return {file for path in paths for file in (path, _partner(path)) if file}


def _image_files(image: ConditionImage) -> tuple[str | None, ...]:
    """Name the files that an image's values come from; an Analyze or AFNI pair has two."""
    if image.is_estimate:
        return ()
    own = (image.path, _partner(image.path), image.variance_path, image.reference)
    return own if image.right is None else (*own, *_image_files(image.right))


def _partner(path: str) -> str | None:
    """Name the file of the values if ``path`` is that of the header, or the reverse."""
    for one, other in ((".hdr", ".img"), (".img", ".hdr"), (".HEAD", ".BRIK"), (".BRIK", ".HEAD")):
        if path.endswith(one):
            partner = path.removesuffix(one) + other
            for candidate in (partner, f"{partner}.gz"):
                if Path(candidate).exists():
                    return candidate
    return None


def _mask_digest(paths: Sequence[str], content: Mapping[str, str]) -> str:
    """Hash the masks of one kind together."""
    return digest(sorted(content[path] for path in paths)) if paths else "none"


def _roi_digest(analysis: Analysis, content: Mapping[str, str]) -> str:
    """Hash the masks of centres; on surfaces with the hemisphere that each name says."""
    paths = analysis.roi_mask.paths
    if not analysis.surfaces or not paths:
        return _mask_digest(paths, content)
    return digest([[hemisphere_named(path), content[path]] for path in paths])


def _surfaces_digest(surfaces: Sequence[HemisphereSurfaces], content: Mapping[str, str]) -> str:
    """Hash the surfaces and the cortex of each hemisphere."""
    if not surfaces:
        return "none"
    return digest(
        [
            [one.hemisphere, *([content[path] for path in own] for own in (one.meshes, one.cortex))]
            for one in surfaces
        ]
    )
