"""--betas: a path with fields like {subject} becomes the places where images are."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bids_rsa.errors import OptionError, SelectionError

# what a field may contain; a condition's name may contain anything but a slash
FIELDS = {
    "subject": "[A-Za-z0-9]+",
    "session": "[A-Za-z0-9]+",
    "task": "[A-Za-z0-9]+",
    "run": "[A-Za-z0-9]+",
    "space": "[A-Za-z0-9]+",
    "hemi": "L|R|l|r|lh|rh|left|right",
    "condition": "[^/]+",
}
_TOKEN = re.compile(r"\{([^{}]*)\}|(\*)|(\?)")


@dataclass(frozen=True)
class Place:
    """One file or folder that a pattern matched, and what its path says."""

    path: str
    subject: str
    session: str | None = None
    task: str | None = None
    run: str | None = None
    space: str | None = None
    hemi: str | None = None
    condition: str | None = None

    def fill(self, pattern: str) -> str:
        """Put this place's fields into another path."""
        return _TOKEN.sub(lambda m: str(getattr(self, m[1])) if m[1] else m[0], pattern)


def find_places(
    pattern: str,
    base: str,
    subjects: Sequence[str],
    participants: Sequence[str] = (),
    option: str = "--betas",
) -> list[Place]:
    """Find what a pattern matches.

    Parameters
    ----------
    pattern : str
        A path with {subject}, {session}, {task}, {run}, {space}, {hemi}, {condition}, ``*`` and
        ``?``.
    base : str
        Where a relative pattern starts; the current folder is tried after it.
    subjects : sequence of str
        Only these; all without them.
    participants : sequence of str
        The one label of which stands for a missing {subject}.
    option : str
        Whose value it is, for messages.

    Returns
    -------
    list of Place
        Sorted by path.

    Raises
    ------
    OptionError
        Unknown fields, or no {subject}.
    SelectionError
        The pattern matches nothing; says how far it got.
    """
    _check_fields(pattern, option)
    if "{subject}" not in pattern and len(participants) != 1:
        raise OptionError(
            f"{option} {pattern}: the field {{subject}} is needed, to know whose images these are.",
            f"For example {option} 'sub-{{subject}}/SPM.mat'; or select one --participant-label.",
        )
    alone = {} if "{subject}" in pattern else {"subject": participants[0]}
    starts = [pattern] if Path(pattern).is_absolute() else [f"{base}/{pattern}", pattern]
    for start in starts:
        found = [
            Place(path, **(fields | alone))
            for path, fields in _match(Path(start).absolute(), subjects)
        ]
        if found:
            return sorted(found, key=lambda place: place.path)
    raise SelectionError(
        f"{option} {pattern} matches nothing. {_how_far(Path(starts[0]).absolute())}",
        "A relative pattern starts in BIDS_DIR; fields: "
        + ", ".join(f"{{{name}}}" for name in FIELDS),
    )


def _check_fields(pattern: str, option: str) -> None:
    """Refuse fields that are not known."""
    unknown = [
        f"{{{m[1]}}}" for m in _TOKEN.finditer(pattern) if m[1] is not None and m[1] not in FIELDS
    ]
    if unknown:
        raise OptionError(
            f"{option} {pattern}: unknown field {', '.join(unknown)}.",
            f"Known fields: {', '.join('{' + name + '}' for name in FIELDS)}.",
        )


def _regex(part: str, known: dict[str, str]) -> re.Pattern[str]:
    """Turn one part of a path into a regular expression; known fields keep their value."""
    text, end = "", 0
    seen: set[str] = set()
    for token in _TOKEN.finditer(part):
        text += re.escape(part[end : token.start()])
        end = token.end()
        field = token[1]
        if field is None:
            text += "[^/]*" if token[2] else "[^/]"
        elif field in known:
            text += re.escape(known[field])
        elif field in seen:
            text += f"(?P={field})"
        else:
            seen.add(field)
            text += f"(?P<{field}>{FIELDS[field]})"
    return re.compile(text + re.escape(part[end:]))


def _match(path: Path, subjects: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield existing paths and their fields, part by part from the root."""
    found: list[tuple[str, dict[str, str]]] = [(path.anchor, {})]
    for part in path.parts[1:]:
        if _TOKEN.search(part) is None:
            found = [(os.path.normpath(Path(p) / part), f) for p, f in found]
            found = [(p, f) for p, f in found if os.path.lexists(p)]
            continue
        deeper = []
        for parent, fields in found:
            regex = _regex(part, fields)
            for name in _names(parent):
                match = regex.fullmatch(name)
                if match is None:
                    continue
                now = fields | match.groupdict()
                if not subjects or now.get("subject", subjects[0]) in subjects:
                    deeper.append((os.path.normpath(Path(parent) / name), now))
        found = deeper
    yield from found


def _names(folder: str) -> list[str]:
    """List a folder; nothing where there is none."""
    try:
        return sorted(p.name for p in Path(folder).iterdir() if not p.name.startswith("._"))
    except OSError:
        return []


def _how_far(path: Path) -> str:
    """Say which part of the pattern matches nothing, and what is there."""
    so_far = Path(path.anchor)
    for part in path.parts[1:]:
        longer = so_far / part
        if not any(True for _ in _match(longer, ())):
            there = [n for p, _ in _match(so_far, ()) for n in _names(p)][:12]
            return f"{so_far} exists and contains: {', '.join(there) or 'nothing'}."
        so_far = longer
    return f"{so_far} exists, but not for the selected participants."
