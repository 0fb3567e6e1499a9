"""The maps of a noise ceiling under their final names, and the job that makes them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from bids_rsa.core.comparison.table import find_comparison
from bids_rsa.group.ceiling_subjects import CeilingSubject
from bids_rsa.group.ceilings import STATS, Ceiling
from bids_rsa.group.names import input_hash, map_path
from bids_rsa.group.records import GroupTest
from bids_rsa.group.sidecar import SHARED_KEYS
from bids_rsa.outputs.bids_uris import bids_uri
from bids_rsa.outputs.dataset_files import dataset_lock, write_json
from bids_rsa.outputs.derivatives import PlannedFile
from bids_rsa.outputs.input_hashes import digest
from bids_rsa.outputs.provenance import software_versions
from bids_rsa.outputs.whole_files import replacing_together


@dataclass(frozen=True)
class CeilingJob:
    """The noise ceilings of tests of the same images, whose RDMs are computed once.

    ``right`` are the participants' right hemispheres, where another call of the participant level
    has analysed them: none, or one or None for each participant.
    ``links`` are (path, name) of the datasets that the participants' maps are in. ``name`` is the
    node's; ``n_threads`` and ``memory_gb`` change no result.
    """

    tests: tuple[GroupTest, ...]
    subjects: tuple[CeilingSubject, ...] = field(repr=False)
    output_dir: str
    links: tuple[tuple[str, str], ...]
    name: str
    n_threads: int = 1
    memory_gb: float = 1.0
    awaited: tuple[str, ...] = ()  # no files next to the maps
    right: tuple[CeilingSubject | None, ...] = field(default=(), repr=False)

    @property
    def planned(self) -> tuple[PlannedFile, ...]:
        """All maps."""
        return tuple(file for test in self.tests for file in plan_ceilings(test))

    @property
    def label(self) -> str:
        """Name the job for people."""
        return f"noise ceiling of {'; '.join(test.title for test in self.tests)}"

    @property
    def graphs(self) -> tuple[str, ...]:
        """Name its folders in the graph."""
        return (self.name,)


def ceiling_name(name: str) -> str:
    """Name the node of noise ceilings after the first test's graph."""
    return f"{name}_ceiling"


def plan_ceilings(test: GroupTest) -> tuple[PlannedFile, ...]:
    """List the maps of a test's noise ceiling, with the settings that determine them."""
    settings = {
        "NoiseCeiling": find_comparison(test.key.comparison).ceiling,
        "Participants": [f"sub-{subject}" for subject in test.subjects],
        "GroupMask": test.settings.group_mask and Path(test.settings.group_mask).name,
        "InputHash": input_hash(test),
    }
    frozen = tuple((key, json.dumps(value)) for key, value in settings.items())
    return tuple(
        PlannedFile(
            map_path(test, stat, part), frozen, digest([stat, settings]), kind=stat, part=part
        )
        for part in test.parts
        for stat in STATS
    )


def write_ceiling(
    test: GroupTest,
    planned: Sequence[PlannedFile],
    ceiling: Ceiling,
    output_dir: Path,
    links: Mapping[str, str],
) -> None:
    """Write the maps of a test's ceiling, and last their sidecars."""
    sidecars = _sidecars(test, planned, ceiling, links)

    @contextmanager
    def described() -> Iterator[None]:
        """Remove old sidecars, and write the new ones after all images."""
        with dataset_lock(output_dir):
            for path in sidecars:
                (output_dir / path).unlink(missing_ok=True)
            yield
            for path, content in sidecars.items():
                write_json(output_dir / path, content)

    paths_of_maps = [output_dir / file.path for file in planned]
    with replacing_together(paths_of_maps, described()) as beside:
        for file, path in zip(planned, paths_of_maps, strict=True):
            values = np.full(ceiling.space.n_locations, ceiling.space.outside, np.float32)
            values[ceiling.mask] = ceiling.maps[file.kind]
            nib.save(ceiling.space.image(values, file.part), beside[path])


def _sidecars(
    test: GroupTest, planned: Sequence[PlannedFile], ceiling: Ceiling, links: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Gather the sidecars of the maps by their paths in the output."""
    entry = find_comparison(test.key.comparison)
    shared = {key: test.metadata[key] for key in SHARED_KEYS if key in test.metadata}
    paths = [path for member in test.members for one in member.all_maps for path in one.paths]
    common: dict[str, Any] = {
        "Sources": [bids_uri(path, links) for path in paths],
        **shared,
        "Model": test.metadata.get("Model", {}),
        "CeilingDefinition": entry.ceiling,
        "Locations": test.words[1],
        "VoxelsTested": int(ceiling.mask.sum()),
        "VoxelsUndefined": ceiling.n_undefined,
    }
    outside = "0" if test.form == "volume" else "NaN"
    return {
        file.sidecar: {
            "Description": f"{STATS[file.kind]}. {entry.title}; what is averaged: {entry.ceiling}. "
            f"{outside} outside the mask, NaN where undefined.",
            **common,
            **{key: json.loads(text) for key, text in file.settings},
            "SettingsHash": file.settings_hash,
            "SoftwareVersions": software_versions(),
        }
        for file in planned
    }
