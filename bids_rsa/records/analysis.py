"""The images of one analysis, with all that goes with them."""

from dataclasses import dataclass, field

from bids_rsa.entities import Named, in_words, join_entities
from bids_rsa.records.bold_run import BoldRun
from bids_rsa.records.condition_image import ConditionImage, Form
from bids_rsa.records.region_source import RegionSource
from bids_rsa.records.residuals import Residuals
from bids_rsa.records.surfaces import HemisphereSurfaces


@dataclass(frozen=True)
class MaskChoice:
    """A mask: its files (intersected), and in words where it comes from."""

    paths: tuple[str, ...] = ()
    origin: str = "none"


@dataclass(frozen=True)
class Analysis(Named):
    """The images of one analysis: they agree in all entities but run, contrast, stat and desc.

    ``conditions`` is the order in which the model's rows are. ``dropped`` names conditions
    without images whose cells are left out (``--missing drop``). ``left_out`` names conditions
    found that no model names. ``bold_runs`` are the runs that the images are estimated from, where
    the app does that itself. ``residuals`` are those of the runs of the images, where they are
    looked for and found. ``surfaces`` are those of the hemispheres that the images are on; with
    ``ribbon`` images are volumes, and patches the voxels between white and pial surface, with
    ``on_lines`` those that lines between their vertices hit.
    ``cortex_only`` leaves out the voxels of grayordinates. ``notes`` are sentences for the log and
    the sidecar.
    """

    subject: str
    images: tuple[ConditionImage, ...]
    conditions: tuple[str, ...]
    brain_mask: MaskChoice = field(default_factory=MaskChoice)
    roi_mask: MaskChoice = field(default_factory=MaskChoice)
    background: str | None = None
    dropped: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    bold_runs: tuple[BoldRun, ...] = ()
    residuals: tuple[Residuals, ...] = ()
    regions: tuple[RegionSource, ...] = ()
    surfaces: tuple[HemisphereSurfaces, ...] = ()
    cortex_only: bool = False
    ribbon: bool = False
    on_lines: bool = False

    @property
    def form(self) -> Form:
        """Whether maps are on a grid, on vertices, or on both; those of a ribbon on vertices."""
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
        """The hemispheres that each map is written for in a separate file; else an empty text."""
        if self.ribbon:
            return tuple(one.hemisphere for one in self.surfaces)
        return ("L", "R") if self.images and self.images[0].right is not None else ("",)

    @property
    def is_drawable(self) -> bool:
        """Whether its maps can be drawn: grayordinates without cortex cannot."""
        return self.form == "volume" or bool(self.surfaces)

    @property
    def label(self) -> str:
        """The analysis's entities as they are in file names, without the hemisphere."""
        return self.file_label()

    def file_label(self, part: str = "") -> str:
        """Return the entities in the name of a file of one of the `parts`."""
        return join_entities((("sub", self.subject), ("hemi", part), *self.pairs))

    @property
    def title(self) -> str:
        """The analysis's entities in words, for people."""
        return ", ".join(filter(None, (f"sub-{self.subject}", in_words(self.pairs))))
