"""What is in the input, in words: every complaint about missing images says this."""

from collections.abc import Iterable, Sequence

from bids_rsa.discovery.datasets import Datasets
from bids_rsa.discovery.folders import count_kinds
from bids_rsa.discovery.index import Folders
from bids_rsa.entities import in_order
from bids_rsa.records import ConditionImage
from bids_rsa.words import listing

# the fields of a record a user can select by, with the words used for them
WORDS = {
    "subject": "participants",
    "session": "sessions",
    "task": "tasks",
    "run": "runs",
    "space": "spaces",
    "resolution": "resolutions",
    "statistic": "statistics",
    "condition": "conditions",
    "source": "producers",
}


def values(images: Iterable[ConditionImage], field: str) -> list[str]:
    """List the values of a field, ``none`` for images that don't name it, sorted."""
    return sorted({getattr(image, field) or "none" for image in images})


def found_images(images: Sequence[ConditionImage]) -> str:
    """Summarise the condition images that are there."""
    parts = [
        f"{words}: {listing(values(images, field))}"
        for field, words in WORDS.items()
        if values(images, field) != ["none"]
    ]
    others = {key for image in images for key, _ in image.others}
    parts += [
        f"{key}-: {listing(values_of_key(images, key))}"
        for key, _ in in_order((key, key) for key in others)
    ]
    return f"Found {len(images)} condition images there; {'; '.join(parts)}."


def values_of_key(images: Iterable[ConditionImage], key: str) -> list[str]:
    """List the values of an entity for which there is no field."""
    return sorted({dict(image.others).get(key, "none") for image in images})


def found_files(datasets: Datasets, folders: Folders) -> str:
    """Summarise what is there when no condition image does."""
    if not folders:
        return (
            "There is no sub-* folder in it."
            if len(datasets.searched) == 1
            else ("There is no sub-* folder in any of them.")
        )
    counts: dict[str, dict[str, int]] = {"NIfTI": {}}
    counts |= count_kinds([p for places in folders.values() for _, p in places])
    files = "; ".join(f"{form} files by kind: {_counted(kinds)}" for form, kinds in counts.items())
    return f"Found there: participants {listing(list(folders))}; {files}."


def has_bold(folders: Folders) -> bool:
    """Tell whether there is a BOLD series in the participants' folders."""
    counts = count_kinds([path for places in folders.values() for _, path in places])
    return any("bold" in kinds for kinds in counts.values())


def _counted(kinds: dict[str, int]) -> str:
    """List counts by kind."""
    return ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items())) or "none"


def looked_in(datasets: Datasets) -> str:
    """Say where images were looked for, and what was passed over."""
    where = "; ".join(str(d) for d in datasets.searched)
    passed = f" Passed over: {'; '.join(datasets.passed_over)}." if datasets.passed_over else ""
    return f"Looked in {where}.{passed}"
