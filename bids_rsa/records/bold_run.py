"""A run of BOLD that images are estimated from, and its design."""

from dataclasses import dataclass

from bids_rsa.records.condition_image import Form
from bids_rsa.records.surfaces import HemisphereSurfaces
from bids_rsa.settings import BoldSettings


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
    keys of the image's sidecar that say where it is, with their JSON texts.
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
    cortex: tuple[HemisphereSurfaces, ...] = ()
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
