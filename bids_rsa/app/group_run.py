"""The tests of the group level are run: planned files, the graph, what is there at the end."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bids_rsa.app.closing import remove_old_logs
from bids_rsa.app.execution import Clock, run_jobs
from bids_rsa.app.group_messages import print_end
from bids_rsa.app.pages import GROUP, cite, write_pages
from bids_rsa.app.running import Running
from bids_rsa.app.work_folder import Claim, claim, remove_abandoned
from bids_rsa.errors import BidsRsaError
from bids_rsa.group.ceiling_write import CeilingJob, ceiling_name
from bids_rsa.group.records import FOLDER
from bids_rsa.group.write import RUN_WORKFLOW, GroupJob, nulls_name
from bids_rsa.outputs.dataset_files import clear_leftovers, dataset_lock, write_dataset_files
from bids_rsa.outputs.derivatives import is_complete
from bids_rsa.outputs.run_logs import is_logged
from bids_rsa.outputs.whole_files import remove_leftovers

LOGGER = logging.getLogger(__name__)
STATE_FOLDER = "permutations"
AnyJob = GroupJob | CeilingJob


@dataclass
class TestGraphs:
    """How tests and noise ceilings are run; ``tests`` are those that are corrected together.

    ``claims`` are the folders that jobs work in, by the job's name.
    """

    running: Running
    tests: tuple[GroupJob, ...] = ()
    claims: dict[str, Claim] = field(default_factory=dict)

    def claim(self, jobs: Sequence[AnyJob]) -> list[AnyJob]:
        """Claim a folder for each job, next to those of other runs that work on it now."""
        claimed = [self._claimed(job) for job in jobs]
        tests = tuple(job for job in claimed if isinstance(job, GroupJob))
        self.tests = tests if any(job.n_joint > 1 for job in tests) else ()
        return claimed

    def _claimed(self, job: AnyJob) -> AnyJob:
        """Claim a folder for a job."""
        folder = self.running.work / RUN_WORKFLOW
        if isinstance(job, CeilingJob):
            own = claim(folder, job.name)
            self.claims[own.name] = own
            return replace(job, name=own.name)
        endings = (*(graph.removeprefix(job.name) for graph in job.graphs), nulls_name(""))
        own = claim(folder, job.name, endings)
        self.claims[own.name] = own
        remove_leftovers(own.folder / STATE_FOLDER)
        return replace(job, name=own.name, state_dir=str(own.folder / STATE_FOLDER))

    def build(self, jobs: Sequence[AnyJob]) -> Any:
        """Build the graph of some jobs; with all tests where they are corrected together."""
        from bids_rsa.workflows.group import init_group_level_wf  # imports Nipype

        own = [job for job in jobs if isinstance(job, GroupJob)]
        ceilings = [job for job in jobs if isinstance(job, CeilingJob)]
        work, together = str(self.running.work), bool(self.tests)
        return init_group_level_wf(self.tests or own, work, together, ceilings)

    def folders(self, job: AnyJob) -> list[Path]:
        """Say where a job alone works."""
        return [self.running.work / RUN_WORKFLOW / name for name in job.graphs]

    def is_complete(self, job: AnyJob) -> bool:
        """Tell whether every file of a job is there, with the same settings."""
        with dataset_lock(Path(job.output_dir)):  # another run may be putting the same files there
            return is_complete(Path(job.output_dir), job.planned, job.awaited)

    def release(self, jobs: Sequence[AnyJob], keep: bool) -> None:
        """Give the jobs' folders back, and remove them unless they are kept."""
        for job in jobs:
            self.claims.pop(job.name).release(remove=not keep)

    def forget(self, job: GroupJob) -> None:
        """Remove what a run left of a job that was killed once the job was complete."""
        if self.is_complete(job) and not self.running.keeps_work:
            self.release([self._claimed(job)], keep=False)
            remove_abandoned(self.running.work / RUN_WORKFLOW, f"{ceiling_name(job.name)}*")


def run_tests(
    jobs: Sequence[GroupJob],
    ceilings: Sequence[CeilingJob],
    running: Running,
    ends_call: bool = True,
) -> int:
    """Run the tests that are not complete yet, and the ceilings; say what is there.

    Parameters
    ----------
    jobs : sequence of GroupJob
    ceilings : sequence of CeilingJob
        Those that are not complete.
    running : Running
    ends_call : bool
        Nothing else is tested in this call if all tests succeed, so that the page is written now.

    Returns
    -------
    int
        0 when all tests are complete, 1 when some failed, their own code when all did.
    """
    graphs = TestGraphs(running)
    tests = [job for job in jobs if not graphs.is_complete(job)]
    for job in jobs:
        if job not in tests:
            LOGGER.info("%s is complete with the same settings: skipped.", job.label)
    waiting = [*tests, *ceilings]
    failures: dict[str, BidsRsaError] = {}
    if waiting:
        # a joint correction needs the null distributions of all tests
        needed = jobs if tests and any(job.n_joint > 1 for job in jobs) else tests
        failures = _run([*needed, *ceilings], graphs, running)
    for job in jobs:
        graphs.forget(job)
    done = [job for job in jobs if job.label not in failures]
    has_page = _describe(done, running, bool(waiting), ends_call or bool(failures))
    for label, error in failures.items():
        LOGGER.error("%s: %s", label, error)
    if failures:
        LOGGER.error(
            "%d of %d tests and ceilings failed; %s is kept.",
            len(failures), len(jobs) + len(ceilings), running.work,
        )  # fmt: skip
    folder = running.output / jobs[0].test.folder
    if done and (waiting or not is_logged(folder, folder.glob("[!.]*.json"))):  # last, to be whole
        running.keep_log(folder)
    if failures:
        codes = {error.exit_code for error in failures.values()}
        return codes.pop() if not done and len(codes) == 1 else 1
    if not running.keeps_work:
        running.log_file.unlink(missing_ok=True)
        remove_old_logs(running.work)
        running.remove_empty(running.work / RUN_WORKFLOW)
    return int(not has_page)


def _run(jobs: Sequence[AnyJob], graphs: TestGraphs, running: Running) -> dict[str, BidsRsaError]:
    """Run jobs in folders claimed for them; return what failed, by the jobs' labels."""
    running.configure()
    claimed = graphs.claim(jobs)
    failures = run_jobs(claimed, graphs, running, Clock())
    graphs.release(claimed, running.keeps_work or bool(failures))
    return _of_first_causes(claimed, failures)


def _describe(done: Sequence[GroupJob], running: Running, is_new: bool, writes_page: bool) -> bool:
    """Describe what is there: files of the dataset, page and table; return False without a page.

    ``is_new``: something was run.
    """
    has_page = True
    if done:
        _write_dataset_files(done, running.output)
    if done and not running.settings.no_report:
        cite(running.output, is_new)
        has_page = not (writes_page and write_pages([GROUP], running))
    clear_leftovers(running.output, [running.output / FOLDER, running.work / RUN_WORKFLOW])
    print_end(done)
    return has_page


def _of_first_causes(
    jobs: Sequence[AnyJob], failures: dict[str, BidsRsaError]
) -> dict[str, BidsRsaError]:
    """Name failures by labels; a ceiling that waited for a failed test is none of its own."""
    failed = {job.label for job in jobs if job.name in failures}
    return {
        job.label: failures[job.name]
        for job in jobs
        if job.name in failures
        and not (isinstance(job, CeilingJob) and failed & {one.title for one in job.tests})
    }


def _write_dataset_files(jobs: Sequence[GroupJob], output: Path) -> None:
    """Describe the labels of complete tests, also of those that a killed run has made."""
    labels = {
        job.test.desc: f"Group level: {job.test.describe()}"
        for job in jobs
        if job.test.desc not in job.test.models
    }
    links = {path: name for job in jobs for path, name in job.links if name}
    write_dataset_files(output, labels, links)
