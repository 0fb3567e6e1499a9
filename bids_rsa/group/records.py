"""Frozen records of the group level: participants' maps, and the tests made of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from bids_rsa.core.comparison.table import find_comparison
from bids_rsa.entities import Pairs, in_words, join_entities
from bids_rsa.outputs.derivatives import EXTENSIONS
from bids_rsa.records import Form, HemisphereSurfaces
from bids_rsa.settings import GroupSettings

FOLDER = "group"
WORDS: dict[Form, tuple[str, str]] = {
    "volume": ("voxel", "voxels"),
    "surface": ("vertex", "vertices"),
    "grayordinates": ("grayordinate", "grayordinates"),
}
Kind = Literal["one-sample", "paired", "groups", "slope"]


@dataclass(frozen=True)
class MapKey:
    """What a map is of, but for the subject and the model."""

    session: str | None
    task: str | None
    acquisition: str | None
    space: str | None
    resolution: str | None
    comparison: str
    others: Pairs = ()

    @property
    def pairs(self) -> tuple[tuple[str, str | None], ...]:
        """The entities."""
        return (
            ("ses", self.session),
            ("task", self.task),
            ("acq", self.acquisition),
            ("space", self.space),
            ("res", self.resolution),
            *self.others,
        )

    @property
    def label(self) -> str:
        """The entities as they stand in file names, with the comparison behind."""
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
    those of the right hemisphere, where it is in files of its own.
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
        """Whether its values lie on a grid, on vertices, or on both."""
        forms: tuple[Form, ...] = ("surface", "grayordinates")
        return next((f for f in forms if self.path.endswith(EXTENSIONS[f][0])), "volume")

    @property
    def halves(self) -> tuple["ParticipantMap", ...]:
        """The map itself, or one record for each hemisphere that is in files of its own."""
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
        """Where its null maps lie, if the participant level has kept any."""
        return tuple(path.replace("_statmap.", "_nullmaps.") for path in self.paths)

    @property
    def null_path(self) -> str:
        """The first of them."""
        return self.null_paths[0]


@dataclass(frozen=True)
class Member:
    """A subject of a test: for each model compared, its maps (one for each session averaged)."""

    subject: str
    maps: tuple[tuple[ParticipantMap, ...], ...]

    @property
    def all_maps(self) -> tuple[ParticipantMap, ...]:
        """Every map of the subject."""
        return tuple(one for maps in self.maps for one in maps)


@dataclass(frozen=True)
class GroupTest:
    """One test across subjects, and everything its numbers depend on.

    Attributes
    ----------
    kind : {"one-sample", "paired", "groups", "slope"}
    key : MapKey
        ``session`` is None where sessions are averaged.
    models : tuple of str
        One model, or the two that are compared.
    members : tuple of Member
        The subjects in, in the order of their labels.
    left_out : tuple of (subject, why)
    groups : tuple of str
        The two groups, first minus second.
    group_of : tuple of str
        Each member's group.
    covariates : tuple of (name, values)
        Nuisance variables over the members.
    codings : tuple of (name, levels)
        The two texts that a covariate's 0 and 1 stand for, where it held texts.
    tested : tuple of (name, values)
        The variable whose slope is tested, or empty.
    settings : GroupSettings
    notes : tuple of str
        Warnings for the log and the sidecar.
    surfaces : tuple of HemisphereSurfaces
        Of the hemispheres, where the maps lie on surfaces.
    own_surfaces : tuple of tuple of HemisphereSurfaces
        Those of each member, whose mean vertex areas are used; empty: those of ``surfaces``.
    without_surfaces : tuple of str
        Members without surfaces of their own, where others have some.
    """

    kind: Kind
    key: MapKey
    models: tuple[str, ...]
    members: tuple[Member, ...]
    settings: GroupSettings
    left_out: tuple[tuple[str, str], ...] = ()
    groups: tuple[str, ...] = ()
    group_of: tuple[str, ...] = ()
    covariates: tuple[tuple[str, tuple[float, ...]], ...] = ()
    codings: tuple[tuple[str, tuple[str, ...]], ...] = ()
    tested: tuple[tuple[str, tuple[float, ...]], ...] = ()
    notes: tuple[str, ...] = ()
    surfaces: tuple[HemisphereSurfaces, ...] = ()
    own_surfaces: tuple[tuple[HemisphereSurfaces, ...], ...] = ()
    without_surfaces: tuple[str, ...] = ()

    @property
    def form(self) -> Form:
        """Whether its maps are volumes, or of surfaces or grayordinates."""
        return self.members[0].maps[0][0].form

    @property
    def parts(self) -> tuple[str, ...]:
        """The hemispheres that each map is written for in a file of its own; else an empty text."""
        return ("L", "R") if self.members[0].maps[0][0].right_path else ("",)

    @property
    def words(self) -> tuple[str, str]:
        """What one location of its maps is called, and several."""
        return WORDS[self.form]

    @property
    def subjects(self) -> tuple[str, ...]:
        """Labels of the subjects in."""
        return tuple(member.subject for member in self.members)

    @property
    def tail(self) -> str:
        """The alternative: ``greater`` for one sample by default, else two-sided."""
        return self.settings.tail or ("greater" if self.kind == "one-sample" else "two-sided")

    @property
    def two_sided(self) -> bool:
        """Whether both signs are tested."""
        return self.tail == "two-sided"

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The first map's sidecar, with which all others agree."""
        return self.members[0].maps[0][0].metadata

    @property
    def contrast(self) -> str | None:
        """The contrast- label: of two models or two groups."""
        pair = self.models if self.kind == "paired" else self.groups
        return "Vs".join(alphanumeric(name) for name in pair) if len(pair) == 2 else None

    @property
    def desc(self) -> str:
        """The desc- label: the model, or the two that are compared."""
        name = "Vs".join(self.models)
        return f"{name}By{alphanumeric(self.tested[0][0])}" if self.tested else name

    @property
    def label(self) -> str:
        """The test's name, unique within a call."""
        return f"{self.stem}_desc-{self.desc}"

    @property
    def title(self) -> str:
        """The test in words, for people; unique within a call."""
        kind = {
            "one-sample": f"model {self.models[0]}",
            "paired": f"models {' minus '.join(self.models)}",
            "groups": f"model {self.models[0]}, {' minus '.join(self.groups)}",
            "slope": f"model {self.models[0]}, slope on {self.tested[0][0] if self.tested else ''}",
        }
        return ", ".join(
            filter(None, (kind[self.kind], self.key.comparison, in_words(self.key.pairs)))
        )

    @property
    def stem(self) -> str:
        """What all files of the test have in front of stat- and desc-."""
        return self.file_stem()

    def file_stem(self, part: str = "") -> str:
        """Return the stem of files of one hemisphere."""
        analysis = f"analysis-{self.settings.label}_" if self.settings.label else ""
        contrast = f"_contrast-{self.contrast}" if self.contrast else ""
        return f"{analysis}{self.key.file_label(part)}{contrast}"

    @property
    def folder(self) -> str:
        """Where the files of the test lie, relative to the dataset."""
        label = self.settings.label
        return f"{FOLDER}/analysis-{label}" if label else FOLDER

    @property
    def transform(self) -> str:
        """How scores are transformed before anything else: fisher or none."""
        if self.settings.transform != "auto":
            return self.settings.transform
        return find_comparison(self.key.comparison).transform

    def describe(self) -> str:
        """Say in words what is tested."""
        n, what = len(self.members), f"{self.key.comparison} score of model {self.models[0]}"
        if self.kind == "paired":
            return (
                f"paired test of {n} subjects: {self.key.comparison} score of model "
                f"{self.models[0]} minus that of {self.models[1]}"
            )
        if self.kind == "groups":
            a, b = self.groups
            counts = [self.group_of.count(name) for name in (a, b)]
            how = "pooled t with covariates" if self.covariates else "Welch's t"
            return f"{how} of two groups, {a} ({counts[0]}) minus {b} ({counts[1]}): {what}"
        if self.kind == "slope":
            return f"slope on {self.tested[0][0]} over {n} subjects: {what}"
        return f"one-sample test against 0 of {n} subjects: {what}"


def alphanumeric(name: str) -> str:
    """Keep letters and digits, as BIDS labels do."""
    return "".join(character for character in name if character.isalnum())
