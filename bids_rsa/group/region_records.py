"""Frozen records of the group level's regions: participants' tables, and the sets they are of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bids_rsa.entities import Pairs, in_words, join_entities, name_pairs
from bids_rsa.group.region_people import RegionPeople

SUFFIX = "_scores.tsv"


@dataclass(frozen=True)
class RegionTables:
    """One participant's tables of one set of regions.

    ``right`` are those of the right hemisphere, where another call has written them.
    """

    subject: str
    scores: str
    rdms: str
    metadata: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    right: RegionTables | None = None

    @property
    def halves(self) -> tuple[RegionTables, ...]:
        """The tables, and those of the right hemisphere where another call has written them."""
        return (self,) if self.right is None else (self, self.right)

    @property
    def title(self) -> str:
        """Whose they are, for messages."""
        side = dict(name_pairs(self.scores)).get("hemi")
        return f"sub-{self.subject}" + f" hemi-{side}" * bool(side)

    @property
    def null(self) -> str:
        """Where the scores under permutations are, if the participant level has kept any."""
        return f"{self.scores.removesuffix(SUFFIX)}_desc-null_scores.tsv.gz"


@dataclass(frozen=True)
class RegionGroup:
    """The tables of all participants of one set of regions; ``key`` is their common entities.

    ``members`` has several tables of a participant where sessions are averaged; ``people`` are
    groups and variables in the order of ``subjects``.
    """

    key: Pairs
    members: tuple[RegionTables, ...]
    people: RegionPeople = field(default_factory=RegionPeople)

    @property
    def subjects(self) -> tuple[str, ...]:
        """The participants, each once."""
        return tuple(dict.fromkeys(one.subject for one in self.members))

    @property
    def is_joined(self) -> bool:
        """Whether two calls have analysed the two hemispheres of a participant."""
        return any(one.right is not None for one in self.members)

    @property
    def is_averaged(self) -> bool:
        """Whether a participant has tables of several sessions."""
        return len(self.subjects) < len(self.members)

    @property
    def seg(self) -> str:
        """The label of the set of regions."""
        return dict(self.key)["seg"]

    @property
    def label(self) -> str:
        """The entities as they are in file names."""
        return join_entities(self.key)

    @property
    def title(self) -> str:
        """The set of regions in words, for people."""
        others = [(key, value) for key, value in self.key if key != "seg"]
        return ", ".join(filter(None, (self.seg, in_words(others))))

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The first participant's sidecar, with which all others agree."""
        return self.members[0].metadata
