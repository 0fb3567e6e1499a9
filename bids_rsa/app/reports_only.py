"""``--reports-only``: the pages of what lies in the output folder are written again."""

from pathlib import Path

from bids_rsa.app.closing import remove_empty
from bids_rsa.app.execution import CRASH_FOLDER, choose_plugin, configure, shows_all
from bids_rsa.app.pages import GROUP, cite, subjects_with_maps, write_pages
from bids_rsa.app.work_folder import make_work_dir, work_dir
from bids_rsa.errors import InputError
from bids_rsa.outputs.provenance import new_run_id
from bids_rsa.reports.found_tests import find_tests
from bids_rsa.settings import Settings


def write_reports_only(settings: Settings, n_procs: int, memory_gb: float) -> int:
    """Write the pages of a level from the output folder alone.

    Returns
    -------
    int
        0 when all pages were written, 1 when some were not.

    Raises
    ------
    InputError
        There is nothing to report on.
    """
    run, output = settings.run, Path(settings.run.output_dir).absolute()
    if settings.analysis_level == "group":
        subjects = [GROUP] if find_tests(output) else []
    else:
        subjects = subjects_with_maps(output, settings.inputs.selection.participant_label)
    if not subjects:
        what = "group tests" if settings.analysis_level == "group" else "participants' maps"
        raise InputError(
            f"--reports-only: there are no finished {what} in {output}.",
            "Run the level without --reports-only first, or name the folder with its results.",
        )
    plugin = choose_plugin(run.use_plugin, n_procs, memory_gb, len(subjects))
    work = make_work_dir(work_dir(run.work_dir, run.output_dir), output)
    configure(work, run.stop_on_first_crash, shows_all(run))
    failures = write_pages(output, subjects, plugin, work, new_run_id(), anew=True)
    cite(output, True)
    if run.work_dir is None and not failures:
        remove_empty((work / CRASH_FOLDER, work, work.parent))
    return int(bool(failures))
