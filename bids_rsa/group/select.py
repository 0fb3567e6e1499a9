"""Which of the maps found are tested."""

from collections.abc import Sequence

from bids_rsa.discovery.selection import of_space
from bids_rsa.errors import OptionError, SelectionError
from bids_rsa.group.participant_maps import ParticipantMap
from bids_rsa.settings import GroupSettings, Selection

FIELDS = (
    ("session_label", "session"),
    ("task_label", "task"),
    ("space", "space"),
    ("res", "resolution"),
)


def select_maps(
    maps: Sequence[ParticipantMap], selection: Selection, group: GroupSettings
) -> tuple[ParticipantMap, ...]:
    """Keep the maps that were asked for; participants are chosen later, with their reasons.

    Raises
    ------
    OptionError
        A model name or comparison that isn't there, or a file where a name is due.
    SelectionError
        A label that matches nothing.
    """
    kept = list(maps)
    for option, name in FIELDS:
        wanted = getattr(selection, option)
        if wanted:
            flag = f"--{option.replace('_', '-')}"
            kept = _keep(kept, name, wanted, flag)
    if group.comparison:
        there = sorted({one.key.comparison for one in kept})
        for name in group.comparison:
            if name not in there:
                raise OptionError(
                    f"--comparison {name}: there are no maps of it in the output folder.",
                    f"There are maps of: {', '.join(there)}.",
                )
        kept = [one for one in kept if one.key.comparison in group.comparison]
    names = [name for name in group.compare_models if name != "all"]
    _check_models((*group.model, *names), kept)
    if group.model:
        kept = [one for one in kept if one.model in {*group.model, *names}]
    return tuple(kept)


def _keep(
    maps: Sequence[ParticipantMap], name: str, wanted: Sequence[str], flag: str
) -> list[ParticipantMap]:
    """Keep maps by one entity; a label that no map carries is refused."""
    if name != "space":
        known = _known(wanted, _values(maps, name), flag)
        return [one for one in maps if getattr(one.key, name) in known]
    for label in wanted:
        if not any(of_space(one.key, label) for one in maps):
            _known([label], _values(maps, name), flag)
            raise SelectionError(f"{flag} {label} matches no participant's map.")
    return [one for one in maps if any(of_space(one.key, label) for label in wanted)]


def _values(maps: Sequence[ParticipantMap], name: str) -> list[str]:
    """List the values of an entity."""
    return sorted({getattr(one.key, name) or "none" for one in maps})


def _known(wanted: Sequence[str], there: Sequence[str], flag: str) -> Sequence[str | None]:
    """Refuse labels that no map carries; ``none`` asks for maps without the entity."""
    for label in wanted:
        if label not in there:
            raise SelectionError(
                f"{flag} {label} matches no participant's map.",
                f"There are: {', '.join(there)}.",
            )
    return [None if label == "none" else label for label in wanted]


def _check_models(names: Sequence[str], maps: Sequence[ParticipantMap]) -> None:
    """Refuse model names that no map carries, and files."""
    there = sorted({one.model for one in maps})
    for name in names:
        if name in there:
            continue
        if not name.isalnum():
            raise OptionError(
                f"At group level models are chosen by name, and {name!r} looks like a file: the "
                "model was compared with the data at participant level already.",
                f"There are maps of the models: {', '.join(there)}.",
            )
        raise OptionError(
            f"There is no map of a model {name!r} in the output folder.",
            f"There are maps of the models: {', '.join(there)}.",
        )
