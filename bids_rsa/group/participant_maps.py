"""Frozen records of the participants' maps that the group level tests."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bids_rsa.core.comparison.table import find_comparison
from bids_rsa.entities import Named, join_entities
from bids_rsa.outputs.derivatives import EXTENSIONS
from bids_rsa.records import Form


@dataclass(frozen=True)
class MapKey(Named):
    """What a map is of, but for the participant and the model."""

    comparison: str

    @property
    def label(self) -> str:
        """The entities as they are in file names, followed by the comparison."""
        return self.file_label()

    def file_label(self, part: str = "") -> str:
        """Return the label in the name of a file of one hemisphere."""
        entities = join_entities((*self.pairs, ("hemi", part)))
        return f"{entities}{'_' * bool(entities)}meas-{find_comparison(self.comparison).label}"


@dataclass(frozen=True)
class ParticipantMap:
    """One participant's map of one comparison and model, and the mask of its centres.

    ``sha256`` covers the content of the map and of the mask, and the number of cells.
    ``metadata`` is the sidecar. ``right_path``, ``right_mask_path`` and ``right_metadata`` are
    those of the right hemisphere, where it is in separate files.
    """

    subject: str
    model: str
    key: MapKey
    path: str
    mask_path: str
    sha256: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    right_path: str = ""
    right_mask_path: str = ""
    right_metadata: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def form(self) -> Form:
        """Whether its values are on a grid, on vertices, or on both."""
        forms: tuple[Form, ...] = ("surface", "grayordinates")
        return next((f for f in forms if self.path.endswith(EXTENSIONS[f][0])), "volume")

    @property
    def halves(self) -> tuple["ParticipantMap", ...]:
        """The map itself, or one record for each hemisphere that is in separate files."""
        if not self.right_path:
            return (self,)
        left = replace(self, right_path="", right_mask_path="", right_metadata={})
        right = replace(
            left,
            path=self.right_path,
            mask_path=self.right_mask_path,
            metadata=self.right_metadata,
        )
        return left, right

    @property
    def paths(self) -> tuple[str, ...]:
        """Its file, or those of both hemispheres."""
        return (self.path, self.right_path) if self.right_path else (self.path,)

    @property
    def mask_paths(self) -> tuple[str, ...]:
        """The mask of its centres, or those of both hemispheres."""
        if self.right_mask_path:
            return self.mask_path, self.right_mask_path
        return (self.mask_path,)

    @property
    def null_paths(self) -> tuple[str, ...]:
        """Where its null maps are, if the participant level has kept any."""
        return tuple(path.replace("_statmap.", "_nullmaps.") for path in self.paths)

    @property
    def null_path(self) -> str:
        """The first of them."""
        return self.null_paths[0]


@dataclass(frozen=True)
class Member:
    """A participant of a test: for each model compared, its maps (one per session averaged)."""

    subject: str
    maps: tuple[tuple[ParticipantMap, ...], ...]

    @property
    def all_maps(self) -> tuple[ParticipantMap, ...]:
        """Every map of the participant."""
        return tuple(one for maps in self.maps for one in maps)
