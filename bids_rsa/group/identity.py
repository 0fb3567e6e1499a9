"""Which files a test is made of: the hash of each, and no file under two participants' names."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from bids_rsa.errors import ContentError, ReadWriteError
from bids_rsa.group.participant_maps import ParticipantMap
from bids_rsa.group.records import GroupTest
from bids_rsa.outputs.input_hashes import digest, hash_file


def with_hashes(tests: Sequence[GroupTest]) -> tuple[GroupTest, ...]:
    """Add the hash of each map's and mask's content; refuse one map under two names."""
    files = sorted(
        {
            path
            for test in tests
            for member in test.members
            for one in member.all_maps
            for path in _files(one, test)
        }
    )
    with ThreadPoolExecutor() as pool:
        content = dict(zip(files, pool.map(hash_file, files), strict=True))
    return tuple(_with_content(test, content) for test in tests)


def _files(one: ParticipantMap, test: GroupTest) -> tuple[str, ...]:
    """List the files of a map that the test's numbers depend on."""
    nulls = one.null_paths if test.settings.uses_null_maps else ()
    return (*one.paths, *one.mask_paths, *nulls)


def _with_content(test: GroupTest, content: dict[str, str]) -> GroupTest:
    """Add hashes to one test's maps."""
    seen: dict[str, ParticipantMap] = {}
    members = []
    for member in test.members:
        for one in member.all_maps:
            other = seen.setdefault(content[one.path], one)
            if other.subject != one.subject:
                raise ContentError(
                    f"sub-{other.subject} and sub-{one.subject} have the same map, byte for byte: "
                    f"{other.path} and {one.path}. One participant must not count twice.",
                    "Leave one of them out with --exclude-participant-label.",
                )
            if other.key != one.key and other.model == one.model:
                raise ContentError(
                    f"sub-{one.subject} has the same map twice, byte for byte: {other.path} and "
                    f"{one.path}. One session must not count twice.",
                    "Look where the second one came from, and remove it.",
                )
        maps = tuple(
            tuple(replace(one, sha256=_digest(one, content)) for one in found)
            for found in member.maps
        )
        members.append(replace(member, maps=maps))
    return replace(test, members=tuple(members))


def refuse_changed_map(one: ParticipantMap, test: GroupTest) -> None:
    """Refuse a map or mask that is not what it was when the test was planned.

    Raises
    ------
    ReadWriteError
        Names the map.
    """
    content = {path: hash_file(path) for path in _files(one, test)}
    nulls = test.settings.uses_null_maps
    if one.sha256 and _digest(one, content) != one.sha256:
        raise ReadWriteError(
            f"{one.path} or its mask{' or null maps' * nulls} changed while they were being read.",
            "Run the same command again, once nothing writes to the participants' maps.",
        )


def _digest(one: ParticipantMap, content: dict[str, str]) -> str:
    """Hash all of a map that the test's numbers depend on."""
    null = [content[path] for path in one.null_paths if path in content]
    files = [content[path] for path in (*one.paths, *one.mask_paths)]
    return digest([*files, one.metadata.get("CellsUsed"), *null])
