"""The frozen record of a test across participants."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bids_rsa.core.comparison.table import find_comparison
from bids_rsa.entities import in_words
from bids_rsa.group.participant_maps import MapKey, Member
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
class GroupTest:
    """One test across participants, and everything its numbers depend on.

    Attributes
    ----------
    kind : {"one-sample", "paired", "groups", "slope"}
    key : MapKey
        ``session`` is None where sessions are averaged.
    models : tuple of str
        One model, or the two that are compared.
    members : tuple of Member
        The participants in, in the order of their labels.
    left_out : tuple of (participant, why)
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
        Of the hemispheres, where the maps are on surfaces.
    own_surfaces : tuple of tuple of HemisphereSurfaces
        Those of each member, whose mean vertex areas are used; empty: those of ``surfaces``.
    without_surfaces : tuple of str
        Members without their own surfaces, where others have some.
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
        """The hemispheres that each map is written for in a separate file; else an empty text."""
        return ("L", "R") if self.members[0].maps[0][0].right_path else ("",)

    @property
    def words(self) -> tuple[str, str]:
        """What one location of its maps is called, and several."""
        return WORDS[self.form]

    @property
    def subjects(self) -> tuple[str, ...]:
        """Labels of the participants in."""
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
        """Where the files of the test are, relative to the dataset."""
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
                f"paired test across {n} participants: {self.key.comparison} score of model "
                f"{self.models[0]} minus that of {self.models[1]}"
            )
        if self.kind == "groups":
            a, b = self.groups
            counts = [self.group_of.count(name) for name in (a, b)]
            how = "t test with covariates" if self.covariates else "Welch's t test"
            return f"{how} of two groups, {a} (n = {counts[0]}) minus {b} (n = {counts[1]}): {what}"
        if self.kind == "slope":
            return f"test of the slope on {self.tested[0][0]} across {n} participants: {what}"
        return f"one-sample test against 0 across {n} participants: {what}"


def alphanumeric(name: str) -> str:
    """Keep letters and digits, as BIDS labels do."""
    return "".join(character for character in name if character.isalnum())
