"""Frozen records of plain values: participant maps, sets of them, and the tests on them."""

from dataclasses import dataclass, replace

from bids_rsa.settings import GroupSettings


@dataclass(frozen=True)
class ScoreMap:
    """One participant's map of scores, its sidecar, and its mask of evaluated centres."""

    path: str
    sidecar: str
    mask: str
    subject: str
    comparison: str
    model: str
    session: str | None = None
    task: str | None = None
    acquisition: str | None = None
    space: str | None = None
    resolution: str | None = None
    n_cells: int = 0


@dataclass(frozen=True)
class MapSet:
    """Maps of several subjects that differ in nothing else (or in session, to be averaged)."""

    maps: tuple[ScoreMap, ...]
    comparison: str
    model: str
    session: str | None = None
    task: str | None = None
    acquisition: str | None = None
    space: str | None = None
    resolution: str | None = None

    @property
    def subjects(self) -> tuple[str, ...]:
        """The subjects with a map, sorted."""
        return tuple(sorted({one.subject for one in self.maps}))

    @property
    def where(self) -> str:
        """The set in words, for messages."""
        pairs = (
            ("ses", self.session),
            ("task", self.task),
            ("acq", self.acquisition),
            ("space", self.space),
            ("res", self.resolution),
        )
        entities = "_".join(f"{key}-{value}" for key, value in pairs if value)
        return f"{self.comparison}, model {self.model}" + (f", {entities}" if entities else "")

    def only(self, subjects: tuple[str, ...]) -> "MapSet":
        """Keep the maps of some subjects."""
        return replace(self, maps=tuple(m for m in self.maps if m.subject in subjects))


@dataclass(frozen=True)
class LeftOut:
    """A subject that a test does without, and why."""

    subject: str
    why: str


@dataclass(frozen=True)
class GroupTest:
    """One test across subjects: what is tested on which maps, with which variables.

    Attributes
    ----------
    kind : str
        ``one-sample``, ``paired``, ``two-sample`` or ``slope``.
    first, second : MapSet
        The maps; ``second`` is subtracted within subjects where models are compared.
    subjects : tuple of str
        In the order of the rows of the data.
    left_out : tuple of LeftOut
        The subjects of the dataset that are not tested.
    groups : tuple of str
        The two levels, first minus second.
    in_first_group : tuple of bool
        One per subject, for two groups.
    covariates : tuple of str
        Names of the nuisance variables; ``covariate_values`` has one row per subject.
    tested_covariate : str
        The variable whose slope is tested; ``tested_values`` has one value per subject.
    tail : str
        ``greater``, ``less`` or ``two-sided``.
    transform : str
        ``fisher`` or ``none``.
    """

    kind: str
    first: MapSet
    second: MapSet | None
    subjects: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    tail: str
    transform: str
    settings: GroupSettings
    groups: tuple[str, ...] = ()
    in_first_group: tuple[bool, ...] = ()
    covariates: tuple[str, ...] = ()
    covariate_values: tuple[tuple[float, ...], ...] = ()
    tested_covariate: str = ""
    tested_values: tuple[float, ...] = ()

    @property
    def maps(self) -> tuple[ScoreMap, ...]:
        """All maps that go in."""
        return self.first.maps + (self.second.maps if self.second else ())

    @property
    def desc(self) -> str:
        """Label of what is tested: the model, or the two that are compared."""
        name = self.first.model
        if self.second:
            name = f"{name}Vs{self.second.model}"
        return f"{name}By{_label(self.tested_covariate)}" if self.tested_covariate else name

    @property
    def contrast(self) -> str | None:
        """Label of a difference of groups or models."""
        if self.groups:
            return "Vs".join(_label(group) for group in self.groups)
        return f"{self.first.model}Vs{self.second.model}" if self.second else None

    @property
    def words(self) -> str:
        """The test in words, for messages and sidecars."""
        what = self.first.model
        if self.second:
            what = f"{self.first.model} minus {self.second.model}"
        name = {
            "one-sample": f"{what} against 0",
            "paired": f"{what} (paired)",
            "two-sample": f"{what}, {' minus '.join(self.groups)}",
            "slope": f"{what}, slope over {self.tested_covariate}",
        }[self.kind]
        return f"{name} ({self.first.comparison})"


def _label(text: str) -> str:
    """Keep letters and digits, as BIDS wants labels."""
    return "".join(character for character in text if character.isalnum())
