"""The entities of BIDS names: which of them keep analyses apart, and their order in names."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

Pairs = tuple[tuple[str, str], ...]

# keys and pybids' names, in the order of BIDS 1.11 (cohort- behind space-, as fMRIPrep and
# TemplateFlow write it)
ENTITIES = {
    "sub": "subject", "tpl": "template", "ses": "session", "sample": "sample", "task": "task",
    "tracksys": "tracksys", "acq": "acquisition", "nuc": "nucleus", "voi": "volume",
    "ce": "ceagent", "trc": "tracer", "stain": "staining", "rec": "reconstruction",
    "dir": "direction", "run": "run", "mod": "modality", "echo": "echo", "flip": "flip",
    "inv": "inv", "mt": "mt", "part": "part", "proc": "proc", "hemi": "hemi", "space": "space",
    "cohort": "cohort", "split": "split", "recording": "recording", "chunk": "chunk",
    "atlas": "atlas", "seg": "segmentation", "scale": "scale", "res": "resolution",
    "den": "density", "label": "label",
}  # fmt: skip
# other words for some of them: those of the BIDS schema
SYNONYMS = {
    "inversion": "inv", "mtransfer": "mt", "processing": "proc", "hemisphere": "hemi",
    "stain": "stain",
}  # fmt: skip
# keys that records have a separate field for
FIELDS = {
    "sub": "subject", "ses": "session", "task": "task", "acq": "acquisition", "run": "run",
    "space": "space", "res": "resolution",
}  # fmt: skip
# keys whose labels are numbers in BIDS: 1 and 01 are the same
INDICES = ("run", "echo", "flip", "inv", "split", "chunk")
# keys that say what an image is, not which analysis it belongs to
CONTENT = {"contrast", "stat", "desc"}
# a file without these is not of the space that an image with them is in
OF_SPACE = ("cohort", "hemi", "den")
DATATYPES = {"anat", "func", "dwi", "perf", "pet", "fmap", "beh", "eeg", "meg", "ieeg", "nirs"}
LABEL = re.compile(r"[A-Za-z0-9+]+")
# values that would be cut at a hyphen, a dot or an underscore, and keys without a value
_ODD = re.compile(
    r"(?:^|_)("
    r"(?:sub|ses|task|acq|space|res|desc|stat)-(?![A-Za-z0-9+]+(?:_|$))[^_]*"
    r"|run-(?!\d+(?:_|$))[^_]*"
    r"|[A-Za-z0-9]+-(?=_|$)"
    r"|[^_]+-[^_]+_[^_-]+(?=_|$))"
)
_POSITION = {key: position for position, key in enumerate(ENTITIES)}


@dataclass(frozen=True, kw_only=True)
class Named:
    """What is named by these entities of BIDS; None: not in the name.

    ``others`` contains the entities for which there is no field, as (key, value).
    """

    session: str | None = None
    task: str | None = None
    acquisition: str | None = None
    space: str | None = None
    resolution: str | None = None
    others: Pairs = ()

    @property
    def named(self) -> dict[str, Any]:
        """The fields of these entities, with which another record is made."""
        return {one.name: getattr(self, one.name) for one in fields(Named)}

    @property
    def pairs(self) -> tuple[tuple[str, str | None], ...]:
        """The keys of these entities with their values."""
        return (
            ("ses", self.session),
            ("task", self.task),
            ("acq", self.acquisition),
            ("space", self.space),
            ("res", self.resolution),
            *self.others,
        )


def by_value(label: str | None) -> str | None:
    """Write an index as its number, so that 1 and 01 compare equal; other labels as they are."""
    return str(int(label)) if label and label.isdecimal() else label


def by_number(pairs: Iterable[tuple[str, str]]) -> dict[str, str | None]:
    """Return entities for comparing: indices (run, echo ...) as their numbers."""
    return {key: by_value(label) if key in INDICES else label for key, label in pairs}


Spellings = dict[tuple[str, str | None], str]


def spellings(pairs: Iterable[tuple[str, str]]) -> Spellings:
    """Find the longest spelling of each index: 1 and 01 are the same."""
    longest: Spellings = {}
    for key, label in pairs:
        if key in INDICES:
            index = (key, by_value(label))
            longest[index] = max(longest.get(index, ""), label, key=len)
    return longest


def respelled(pairs: Iterable[tuple[str, str]], longest: Spellings) -> Pairs:
    """Write each index in its one spelling."""
    return tuple((key, longest.get((key, by_value(label)), label)) for key, label in pairs)


def odd_part(stem: str) -> str | None:
    """Return the first part of a file's entities whose value BIDS does not allow.

    A contrast's value may contain hyphens, as may those of keys that are compared as a whole.
    """
    found = _ODD.search(stem)
    return found[1] if found else None


def stem_of(path: str) -> str:
    """Return a file's name without folder, suffix and extension: its entities."""
    name = path.rpartition("/")[2].split(".")[0]
    return name.rpartition("_")[0]


def name_pairs(path: str) -> Pairs:
    """Return all ``key-value`` parts of a file's name; a contrast's value may contain hyphens."""
    parts = (part.partition("-") for part in stem_of(path).split("_"))
    return tuple((key, value) for key, _, value in parts if key and value)


def others_of(path: str) -> Pairs:
    """Return the entities of a file's name that no field of a record contains, in order.

    Keys that BIDS does not know are among them, so that nothing is ever mixed up.
    """
    return in_order(
        pair for pair in name_pairs(path) if pair[0] not in FIELDS and pair[0] not in CONTENT
    )


def in_order(pairs: Iterable[tuple[str, str | None]]) -> Pairs:
    """Sort pairs as they are in names, unknown keys last; those without a value are left out."""
    given = [(key, value) for key, value in pairs if value]
    return tuple(sorted(given, key=lambda pair: (_POSITION.get(pair[0], len(_POSITION)), pair[0])))


def join_entities(pairs: Iterable[tuple[str, str | None]]) -> str:
    """Write entities as they are in a file's name."""
    return "_".join(f"{key}-{value}" for key, value in in_order(pairs))


def in_words(pairs: Iterable[tuple[str, str | None]]) -> str:
    """Write entities for people: ``task x, space fsaverage5``."""
    return ", ".join(f"{ENTITIES.get(key, key)} {value}" for key, value in pairs if value)


def file_facts(path: str) -> dict[str, str]:
    """Return what a filter may ask of a path: suffix, extension, datatype, fitlins' node."""
    folders = path.split("/")[:-1]
    name, dot, ending = path.rpartition("/")[2].partition(".")
    facts = {"suffix": name.rpartition("_")[2], "extension": dot + ending}
    datatypes = [folder for folder in folders if folder in DATATYPES]
    nodes = [folder.removeprefix("node-") for folder in folders if folder.startswith("node-")]
    facts |= {"datatype": datatypes[-1]} if datatypes else {}
    return facts | ({"node": nodes[-1]} if nodes else {})


def short_key(name: str) -> str | None:
    """Return the key of an entity's name, long or short; None for one that is not known."""
    keys = {long: key for key, long in ENTITIES.items()} | SYNONYMS
    return name if name in ENTITIES else keys.get(name)
