"""``--reports-only``: the pages of what is in the output folder are written again."""

from collections.abc import Sequence
from pathlib import Path

from bids_rsa.app.closing import remove_old_logs
from bids_rsa.app.pages import GROUP, cite, subjects_with_maps, write_pages
from bids_rsa.app.running import Call
from bids_rsa.errors import InputError
from bids_rsa.outputs.dataset_files import clear_leftovers
from bids_rsa.reports.found_regions import region_tables
from bids_rsa.reports.found_tests import FOLDER, find_tests


def write_participant_pages(call: Call, wanted: Sequence[str]) -> int:
    """Write the participants' pages from the output folder alone; see `_write`.

    ``wanted`` are labels; none for all participants.
    """
    subjects = subjects_with_maps(Path(call.asked.output_dir).absolute(), wanted)
    return _write(subjects, "participants' maps", call)


def write_group_pages(call: Call) -> int:
    """Write the group's page from the output folder alone; see `_write`."""
    output = Path(call.asked.output_dir).absolute()
    subjects = [GROUP] if find_tests(output) or region_tables(output / FOLDER) else []
    return _write(subjects, "group tests", call)


def _write(subjects: Sequence[str], what: str, call: Call) -> int:
    """Write the pages of a level.

    Returns
    -------
    int
        0 when all pages were written, 1 when some were not.

    Raises
    ------
    InputError
        There is nothing to report on.
    """
    if not subjects:
        raise InputError(
            f"--reports-only: there are no finished {what} in "
            f"{Path(call.asked.output_dir).absolute()}.",
            "Run the level without --reports-only first, or name the folder with its results.",
        )
    running = call.start(call.plugin(len(subjects)))
    failures = write_pages(subjects, running, anew=True)
    cite(running.output, True)
    clear_leftovers(running.output, ())
    if not running.keeps_work and not failures:
        running.log_file.unlink(missing_ok=True)
        remove_old_logs(running.work)
        running.remove_empty()
    return int(bool(failures))
