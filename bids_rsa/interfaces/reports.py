"""Nipype interfaces of the reports: a page for a participant, a page for the group."""

from pathlib import Path
from typing import Any

from bids_rsa.interfaces.base import RecordingInterface  # first: it silences Nipype's look-up

# isort: split
from nipype.interfaces.base import BaseInterfaceInputSpec, File, TraitedSpec, traits

from bids_rsa.reports.group_page import write_group_page
from bids_rsa.reports.participant_page import write_participant_page


class _PageInput(BaseInterfaceInputSpec):
    output_dir = traits.Str(mandatory=True, desc="the dataset that the page is made from")
    subject = traits.Str(desc="whose page it is; none for the group's")


class _PageOutput(TraitedSpec):
    page = File(exists=True, desc="the page written")


class WritePage(RecordingInterface):
    """Make a page from the maps, sidecars and pictures of a dataset."""

    # the maps may have changed since
    _always_run = True
    input_spec = _PageInput
    output_spec = _PageOutput

    def _run_interface(self, runtime: Any) -> Any:
        """Write the page."""
        with self.recorded(runtime):
            output_dir = Path(self.inputs.output_dir)
            if self.inputs.subject:
                page = write_participant_page(output_dir, self.inputs.subject)
            else:
                page = write_group_page(output_dir)
            self._results["page"] = str(page)
        return runtime
