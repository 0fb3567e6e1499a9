"""Messages of the group level: the plan of a dry run, and the results at the end."""

import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bids_rsa.app.summary import show, text_table
from bids_rsa.group.ceiling_write import CeilingJob
from bids_rsa.group.write import GroupJob
from bids_rsa.outputs.derivatives import is_complete, read_sidecar

LOGGER = logging.getLogger(__name__)


def print_end(jobs: Sequence[GroupJob]) -> None:
    """Print a summary of the results, read from the files themselves."""
    rows = []
    for job in jobs:
        output = Path(job.output_dir)
        sidecar = read_sidecar(output / job.planned[0].sidecar) or {}
        table = next(path for path in job.others if path.endswith("_clusters.tsv"))
        n_clusters = len((output / table).read_text(encoding="utf-8").splitlines()) - 1
        rows.append(
            (
                job.test.title,
                str(len(job.test.members)),
                str(sidecar.get("VoxelsTested", "")),
                str(sidecar.get("VoxelsSignificant", "")),
                str(n_clusters),
                str(output / table),
            )
        )
        if sidecar.get("VoxelsNeededForFDR") is not None:
            said = fdr_words(sidecar, job.test.words, job.test.settings.alpha)
            LOGGER.info("%s: %s", job.test.title, said)
    if rows:
        kinds = {job.test.words[1] for job in jobs}
        tested = kinds.pop() if len(kinds) == 1 else "tested"
        header = ("test", "participants", tested, "significant", "clusters", "table")
        show(f"\n{text_table(header, rows)}")


def fdr_words(sidecar: Mapping[str, Any], words: tuple[str, str], alpha: float) -> str:
    """Say how many voxels must reach the smallest p for any to be significant by the FDR."""
    needed, tested = sidecar["VoxelsNeededForFDR"], sidecar["VoxelsTested"]
    return (
        f"for the FDR at {alpha:g}, {needed} {words[needed != 1]} would have to reach the smallest "
        f"p, {sidecar['SmallestP']:.3g}"
        + (f"; as only {tested} are tested, none can be significant." if needed > tested else ".")
    )


def print_group_plan(jobs: Sequence[GroupJob], ceilings: Sequence[CeilingJob]) -> int:
    """Print what would be tested and written, and what memory it needs."""
    rows = [
        (
            job.test.title,
            job.test.tail,
            str(len(job.test.members)),
            str(len(job.test.left_out)),
            f"{job.memory_gb:.1f} GB",
            "complete"
            if is_complete(Path(job.output_dir), job.planned, job.awaited)
            else f"{len(job.planned)} images to write",
        )
        for job in jobs
    ]
    rows += [
        (
            job.label, "", str(len(job.subjects)), "", f"{job.memory_gb:.1f} GB",
            f"{len(job.planned)} images to write",
        )
        for job in ceilings
    ]  # fmt: skip
    header = ("test", "tail", "participants", "out", "memory", "state")
    sys.stdout.write(text_table(header, rows))
    return 0
