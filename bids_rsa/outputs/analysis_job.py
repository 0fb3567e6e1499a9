"""All that one analysis needs to run, as plain values, and the names of its graph."""

import re
from dataclasses import dataclass

from bids_rsa.needs import MemoryNeeds
from bids_rsa.outputs.derivatives import PlannedFile, without_pictures
from bids_rsa.outputs.estimates import PlannedRun
from bids_rsa.outputs.input_hashes import FileState
from bids_rsa.outputs.region_plan import RegionPlan
from bids_rsa.records import Analysis
from bids_rsa.settings import RsaSettings

RUN_WORKFLOW = "participant"


@dataclass(frozen=True)
class AnalysisJob:
    """All that is needed to run one analysis.

    ``models`` is the file of the model RDMs; ``links`` are (path, name) of the input datasets;
    ``name`` is the graph's, and that of its folder. ``n_threads``, ``needs`` and ``bar_position``
    say what the nodes may use, and change no result. ``files`` are the inputs as they were hashed.
    ``planned`` is empty where only ``regions`` are analysed. ``is_drawn``: pictures are wanted.
    """

    analysis: Analysis
    rsa: RsaSettings
    models: str
    planned: tuple[PlannedFile, ...]
    figures: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    input_hash: str
    output_dir: str
    needs: MemoryNeeds
    name: str
    n_threads: int = 1
    bar_position: int = 0
    estimates: tuple[PlannedRun, ...] = ()
    files: tuple[FileState, ...] = ()
    regions: tuple[RegionPlan, ...] = ()
    min_coverage: float = 0.0
    is_drawn: bool = True

    @property
    def all_planned(self) -> tuple[PlannedFile, ...]:
        """The files of the analysis, of its regions, and of the runs that it estimates."""
        parts = [*(one.planned for one in self.regions), *(one.planned for one in self.estimates)]
        return (*self.planned, *(file for part in parts for file in part))

    @property
    def all_figures(self) -> tuple[str, ...]:
        """What shows the analysis and its regions: pictures where wanted, and details."""
        everything = (*self.figures, *(one for plan in self.regions for one in plan.figures))
        return everything if self.is_drawn else without_pictures(everything)


def subject_name(subject: str) -> str:
    """Name the graph of a participant."""
    return node_name(f"sub-{subject}")


def node_name(text: str) -> str:
    """Make a name that Nipype takes, different for different texts."""
    return re.sub(r"\W", "_", text.replace("+", "_plus_"))
