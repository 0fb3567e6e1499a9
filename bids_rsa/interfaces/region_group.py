"""Nipype interfaces of regions at group level: test and write, draw."""

from typing import Any

from bids_rsa.interfaces.base import (  # first: it silences Nipype's look-up
    FiguresOutput,
    RecordingInterface,
    as_texts,
)

# isort: split
from nipype.interfaces.base import BaseInterfaceInputSpec, File, TraitedSpec, traits

from bids_rsa.group.region_job import RegionGroupJob
from bids_rsa.group.region_write import write_region_group


class _TestInput(BaseInterfaceInputSpec):
    job = traits.Instance(RegionGroupJob, mandatory=True)


class _TestOutput(TraitedSpec):
    tables = traits.List(File(exists=True), desc="the tables written")


class TestRegions(RecordingInterface):
    """Test the scores of regions across participants, and write the tables."""

    __test__ = False  # no test of pytest's
    # the output may have been deleted since: what is there is never taken from the cache
    _always_run = True
    input_spec = _TestInput
    output_spec = _TestOutput

    def _run_interface(self, runtime: Any) -> Any:
        """Write the tables of a set of regions."""
        with self.recorded(runtime):
            self._results["tables"] = as_texts(write_region_group(self.inputs.job))
        return runtime


class _DrawInput(BaseInterfaceInputSpec):
    job = traits.Instance(RegionGroupJob, mandatory=True)
    tables = traits.List(File(exists=True), mandatory=True)


class DrawRegionGroup(RecordingInterface):
    """Draw scores, RDMs and arrangements of all regions."""

    _always_run = True
    input_spec = _DrawInput
    output_spec = FiguresOutput

    def _run_interface(self, runtime: Any) -> Any:
        """Draw a set of regions."""
        with self.recorded(runtime):
            from bids_rsa.reports.region_group_pictures import (
                draw_region_group,  # imports matplotlib
            )

            self._results["figures"] = as_texts(draw_region_group(self.inputs.job))
        return runtime
