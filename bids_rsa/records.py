"""What was found in the input: frozen records of plain values that every later layer works on."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bids_rsa.entities import Pairs, in_words, join_entities
from bids_rsa.errors import BidsRsaError
from bids_rsa.settings import BoldSettings

GIFTI, CIFTI = "gifti", "cifti"  # the readers of maps of hemispheres, and of grayordinates
Form = Literal["volume", "surface", "grayordinates"]
# the readers of images that the app estimates itself
ESTIMATES: dict[Form, str] = {
    "volume": "estimate", "surface": "gifti-estimate", "grayordinates": "cifti-estimate",
}  # fmt: skip
_FORMS: dict[str, Form] = {
    GIFTI: "surface", CIFTI: "grayordinates", **{name: form for form, name in ESTIMATES.items()},
}  # fmt: skip


@dataclass(frozen=True)
class ConditionImage:
    """One image of one condition: a 3D file, or one volume of a 4D file.

    ``volume`` is the 0-based index of the volume in ``path`` (None: the file is 3D); ``reader``
    names how the file is read (``nifti``, ``glmsingle``, ...); ``variance_path`` and
    ``variance_volume`` name the variance image where the producer has one.
    ``n_trials`` is the number of repeats behind the image, where known. ``others`` holds the
    entities of its name that no field is there for, as (key, value). ``right`` is the same map of
    the right hemisphere, where the left one is in a file of its own.
    """

    path: str
    subject: str
    condition: str
    statistic: str
    session: str | None = None
    task: str | None = None
    acquisition: str | None = None
    run: str | None = None
    space: str | None = None
    resolution: str | None = None
    volume: int | None = None
    variance_path: str | None = None
    variance_volume: int | None = None
    n_trials: float | None = None
    source: str = "bids"
    reader: str = "nifti"
    dataset: str = ""
    reference: str | None = None
    others: Pairs = ()
    right: "ConditionImage | None" = None

    @property
    def form(self) -> Form:
        """Whether its values lie on a grid, on vertices, or on both."""
        return _FORMS.get(self.reader, "volume")

    @property
    def halves(self) -> tuple["ConditionImage", ...]:
        """The image itself, and the one of the right hemisphere, where that is another file."""
        return (self,) if self.right is None else (self, self.right)

    @property
    def is_estimate(self) -> bool:
        """Whether the app estimates it itself: its file need not be there yet."""
        return self.reader in ESTIMATES.values()

    @property
    def source_file(self) -> str:
        """The file that must be there before anything runs: an estimate is made of its BOLD."""
        return self.reference if self.is_estimate and self.reference else self.path

    @property
    def layout_file(self) -> str:
        """The file whose header says where the values lie, before they are there."""
        return self.reference or self.path


@dataclass(frozen=True)
class DesignFacts:
    """What is known of a run's design matrix before the run is estimated.

    ``conditions`` and ``n_events`` go together, and index both axes of ``covariance``, that of the
    condition estimates under white noise of unit variance. ``estimates`` names the condition of
    each image estimated. ``unestimable`` are (condition, reason). ``high_pass_s`` is the cut-off of
    cosines that the confounds don't hold.
    """

    conditions: tuple[str, ...]
    estimates: tuple[str, ...]
    n_events: tuple[int, ...]
    columns: tuple[str, ...]
    confounds: tuple[str, ...]
    spikes: tuple[int, ...]
    high_pass_s: float | None
    high_pass_source: str
    rank: int
    dof: int
    unestimable: tuple[tuple[str, str], ...]
    covariance: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class BoldRun:
    """A run of preprocessed BOLD from which condition images are estimated.

    ``path`` is the image, ``label`` the entities of its name that its estimates keep; ``events``,
    ``confounds`` and ``mask`` are files. Times are in seconds, one for each volume.
    ``condition_names`` are the path of each estimate and its condition's name in the events.
    On surfaces ``right`` is the image of the right hemisphere, where the left one is a file of its
    own, and ``cortex`` names the masks of each hemisphere instead of ``mask``. ``spatial`` are the
    keys of the image's sidecar that say where it lies, with their JSON texts.
    """

    path: str
    label: str
    events: str
    confounds: str | None
    mask: str
    frame_times_s: tuple[float, ...]
    repetition_time_s: float
    repetition_time_source: str
    start_time_s: float
    start_time_source: str
    settings: BoldSettings
    run: str | None = None
    session: str | None = None
    design: DesignFacts | None = None
    condition_names: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    form: Form = "volume"
    right: str | None = None
    cortex: tuple["HemisphereSurfaces", ...] = ()
    spatial: tuple[tuple[str, str], ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """The image, or those of both hemispheres."""
        return (self.path,) if self.right is None else (self.path, self.right)

    @property
    def masks(self) -> tuple[str, ...]:
        """The masks of what is estimated."""
        own = (self.mask,) if self.mask else ()
        return (*own, *(path for one in self.cortex for path in one.cortex))


@dataclass(frozen=True)
class MaskChoice:
    """A mask: its files (intersected), and in words where it comes from."""

    paths: tuple[str, ...] = ()
    origin: str = "none"


@dataclass(frozen=True)
class HemisphereSurfaces:
    """The surfaces of one hemisphere on the mesh of its data, and which of it is cortex.

    Attributes
    ----------
    hemisphere : {"L", "R"}
    surfaces : tuple of str
        The surface that distances are measured on; of two (white and pial) the mean.
    origin : str
        In words, where it comes from.
    spheres : tuple of str
        The surfaces' registered sphere, and that of the data's mesh, where the surfaces have to
        be resampled to it.
    cortex : tuple of str
        Masks of the cortex, intersected; empty where there is none.
    cortex_origin : str
    view : str
        The inflated surface that maps are drawn on; empty where there is none.
    is_template : bool
        A group average, whose area is smaller than that of a brain.
    coarse : str
        A surface of the coarser mesh that centres are on, for its triangles; empty where they are
        on the mesh of the data.
    fine_sphere : str
        The sphere of the data's mesh, where vertices of the coarser one are not its first ones;
        ``coarse`` is a sphere too then.
    """

    hemisphere: Literal["L", "R"]
    surfaces: tuple[str, ...]
    origin: str
    spheres: tuple[str, ...] = ()
    cortex: tuple[str, ...] = ()
    cortex_origin: str = "none found: vertices are chosen by the maps alone"
    view: str = ""
    is_template: bool = False
    coarse: str = ""
    fine_sphere: str = ""

    @property
    def files(self) -> tuple[str, ...]:
        """All files that numbers depend on."""
        return (*self.meshes, *self.cortex)

    @property
    def meshes(self) -> tuple[str, ...]:
        """The files of surfaces and spheres among them."""
        of_centers = (path for path in (self.coarse, self.fine_sphere) if path)
        return (*self.surfaces, *self.spheres, *of_centers)


@dataclass(frozen=True)
class Residuals:
    """The residuals of one run's first-level model: one 4D file, or a file for each volume.

    ``whitened`` says whether the model was whitened in time (None: not known), ``dof`` its degrees
    of freedom, where a file says so. With ``from_bold`` the app makes them itself, and ``paths``
    names the BOLD image that they are made from. ``right`` are the files of the right hemisphere,
    in the order of ``paths``, where the left one's are files of their own.
    """

    run: str | None
    paths: tuple[str, ...]
    whitened: bool | None = None
    dof: float | None = None
    from_bold: bool = False
    right: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """All files."""
        return (*self.paths, *self.right)

    @property
    def volumes_of(self) -> tuple[tuple[str, ...], ...]:
        """The files that hold the same volumes together: one, or one of each hemisphere."""
        if not self.right:
            return tuple((path,) for path in self.paths)
        return tuple(zip(self.paths, self.right, strict=True))


@dataclass(frozen=True)
class RegionSource:
    """Where a set of regions comes from: an atlas, masks or spheres.

    Attributes
    ----------
    name : str
        Its ``seg-`` label.
    paths : tuple of str
        The image of an atlas, or the masks.
    table : str
        The table of an atlas; empty where there is none.
    names : tuple of str
        Of masks.
    spheres : tuple of str
        ``NAME:x,y,z:R`` in mm.
    on_surface : bool
        Masks and spheres are of vertices or grayordinates.
    threshold : float
        Of a probabilistic atlas.
    """

    name: str
    paths: tuple[str, ...] = ()
    table: str = ""
    names: tuple[str, ...] = ()
    spheres: tuple[str, ...] = ()
    threshold: float = 0.0
    on_surface: bool = False

    @property
    def files(self) -> tuple[str, ...]:
        """All files that it is read from."""
        return (*self.paths, self.table) if self.table else self.paths


@dataclass(frozen=True)
class Analysis:
    """The images of one analysis: they agree in all entities but run, contrast, stat and desc.

    ``conditions`` is the order in which the model's rows stand. ``dropped`` names conditions
    without images whose cells are left out (``--missing drop``). ``left_out`` names conditions
    found that no model names. ``bold_runs`` are the runs that the images are estimated from, where
    the app does that itself. ``residuals`` are those of the runs of the images, where they are
    looked for and found. ``surfaces`` are those of the hemispheres that the images lie on; with
    ``ribbon`` images are volumes, and patches the voxels between white and pial surface, with
    ``on_lines`` those that lines between their vertices hit.
    ``cortex_only`` leaves out the voxels of grayordinates. ``notes`` are sentences for the log and
    the sidecar.
    """

    subject: str
    images: tuple[ConditionImage, ...]
    conditions: tuple[str, ...]
    session: str | None = None
    task: str | None = None
    acquisition: str | None = None
    space: str | None = None
    resolution: str | None = None
    brain_mask: MaskChoice = field(default_factory=MaskChoice)
    roi_mask: MaskChoice = field(default_factory=MaskChoice)
    background: str | None = None
    dropped: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    others: Pairs = ()
    bold_runs: tuple[BoldRun, ...] = ()
    residuals: tuple[Residuals, ...] = ()
    regions: tuple[RegionSource, ...] = ()
    surfaces: tuple[HemisphereSurfaces, ...] = ()
    cortex_only: bool = False
    ribbon: bool = False
    on_lines: bool = False

    @property
    def form(self) -> Form:
        """Whether maps lie on a grid, on vertices, or on both; those of a ribbon on vertices."""
        if self.ribbon:
            return "surface"
        return self.images[0].form if self.images else "volume"

    @property
    def surface_files(self) -> tuple[str, ...]:
        """Files of the participant's own surfaces; those of a template belong to no dataset.

        With ``ribbon`` also the masks of the cortex; else they are the ``brain_mask``.
        """
        own = tuple(one for one in self.surfaces if not one.is_template)
        cortex = own if self.ribbon else ()
        return (
            *(path for one in own for path in (*one.surfaces, *one.spheres)),
            *(path for one in cortex for path in one.cortex),
        )

    @property
    def parts(self) -> tuple[str, ...]:
        """The hemispheres that each map is written for in a file of its own; else an empty text."""
        if self.ribbon:
            return tuple(one.hemisphere for one in self.surfaces)
        return ("L", "R") if self.images and self.images[0].right is not None else ("",)

    @property
    def is_drawable(self) -> bool:
        """Whether its maps can be drawn: grayordinates without cortex cannot."""
        return self.form == "volume" or bool(self.surfaces)

    @property
    def label(self) -> str:
        """The analysis's entities as they stand in file names, without the hemisphere."""
        return self.file_label()

    def file_label(self, part: str = "") -> str:
        """Return the entities in the name of a file of one of the `parts`."""
        pairs = (
            ("sub", self.subject),
            ("ses", self.session),
            ("task", self.task),
            ("acq", self.acquisition),
            ("space", self.space),
            ("res", self.resolution),
            ("hemi", part),
        )
        return join_entities((*pairs, *self.others))

    @property
    def title(self) -> str:
        """The analysis's entities in words, for people."""
        pairs = (
            ("ses", self.session),
            ("task", self.task),
            ("acq", self.acquisition),
            ("space", self.space),
            ("res", self.resolution),
            *self.others,
        )
        return ", ".join(filter(None, (f"sub-{self.subject}", in_words(pairs))))


@dataclass(frozen=True)
class ModelRdm:
    """A model RDM, square and labelled: ``cells`` (n_conditions, n_conditions), NaN if left out.

    Two models are equal when they were made from the same file in the same way.
    ``metric`` is the dissimilarity that made it of features; empty for an RDM that was given.
    A ``nuisance`` model takes part in joint fits and gets no map. ``excluded`` is the table
    (path, SHA-256) that says which cells are left out.
    """

    name: str
    path: str
    sha256: str
    conditions: tuple[str, ...]
    cells: NDArray[np.float64] = field(compare=False, repr=False)
    metric: str = ""
    nuisance: bool = False
    excluded: tuple[str, str] | None = None


@dataclass(frozen=True)
class Discovery:
    """All that was found for one call of the app.

    ``failures`` holds subjects that cannot run, with the reason, while others can. ``skipped``
    holds subjects left out as asked (``--missing skip``). ``notes`` are sentences for the log.
    ``datasets`` are the datasets searched as (name, path).
    """

    analyses: tuple[Analysis, ...]
    failures: tuple[tuple[str, BidsRsaError], ...] = ()
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    datasets: tuple[tuple[str, str], ...] = ()
    seconds: float = 0.0


def natural_key(label: str | None) -> tuple[tuple[int, int | str], ...]:
    """Sort labels as people do: run 2 before run 10."""
    parts = re.findall(r"\d+|\D+", label or "")
    return tuple((0, int(part)) if part.isdigit() else (1, part) for part in parts)


def missing_by_run(
    images: Sequence[ConditionImage], conditions: Sequence[str]
) -> dict[str | None, list[str]]:
    """List the conditions that each run has no image of, for the runs that lack any."""
    found = {(image.run, image.condition) for image in images}
    runs = sorted({image.run for image in images}, key=natural_key)
    missing = {run: [name for name in conditions if (run, name) not in found] for run in runs}
    return {run: names for run, names in missing.items() if names}
