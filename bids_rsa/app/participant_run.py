"""Running the participants that passed all checks: batches of graphs, logs, the end table."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bids_rsa.app.closing import remove_old_logs
from bids_rsa.app.execution import Clock
from bids_rsa.app.jobs import AnalysisGraphs, Task, plan_job
from bids_rsa.app.null_notes import NullNotes
from bids_rsa.app.outcome import Outcome
from bids_rsa.app.pages import cite, subjects_with_maps, write_pages
from bids_rsa.app.preflight import CheckedAnalysis
from bids_rsa.app.running import Running
from bids_rsa.app.summary import end_table, show, summarize
from bids_rsa.errors import BidsRsaError, ReadWriteError
from bids_rsa.outputs.analysis_job import RUN_WORKFLOW, AnalysisJob, subject_name
from bids_rsa.outputs.bids_uris import THIS_DATASET, name_datasets
from bids_rsa.outputs.dataset_files import clear_leftovers, dataset_links, write_dataset_files
from bids_rsa.outputs.image_plan import SEARCHLIGHT
from bids_rsa.outputs.run_logs import is_logged
from bids_rsa.records import Discovery

LOGGER = logging.getLogger(__name__)
SUBJECTS_PER_WORKER = 4  # in one graph: few enough to start early, enough to keep all busy


def datasets_searched(discovery: Discovery, output: Path) -> Mapping[str, str]:
    """Name the datasets that were searched, by their paths, as earlier runs named them."""
    paths = {path: name for name, path in discovery.datasets}
    return name_datasets(paths, dataset_links(output), str(output))


@dataclass
class ParticipantRun:
    """The participants of one call, planned, run and summarised batch by batch.

    ``outcome`` contains the participants that failed the checks; what happens is added to it.
    """

    task: Task
    running: Running
    outcome: Outcome
    graphs: AnalysisGraphs = field(init=False)
    null_notes: NullNotes = field(init=False)
    subjects: list[str] = field(default_factory=list)
    n_pages_failed: int = 0
    is_new: bool = False

    def __post_init__(self) -> None:
        self.graphs = AnalysisGraphs(self.task, self.running)
        self.null_notes = NullNotes(self.task.rsa, self.task.models)

    def batches(self, analyses: Sequence[CheckedAnalysis]) -> Iterator[list[CheckedAnalysis]]:
        """Yield the analyses of as many participants as run together, unless the run is to stop."""
        plugin = self.running.plugin
        self.subjects = list(dict.fromkeys(checked.analysis.subject for checked in analyses))
        size = 1 if plugin.is_serial else SUBJECTS_PER_WORKER * plugin.n_procs
        for start in range(0, len(self.subjects), size):
            if self.outcome.failures and self.running.settings.stop_on_first_crash:
                return
            chosen = self.subjects[start : start + size]
            yield [checked for checked in analyses if checked.analysis.subject in chosen]

    def waiting(self, batch: Sequence[CheckedAnalysis]) -> list[AnalysisJob]:
        """Plan the analyses of a batch, and claim folders for those that are not complete."""
        jobs: list[AnalysisJob] = []
        complete: list[AnalysisJob] = []
        refused: list[tuple[str, BidsRsaError]] = []
        for index, checked in enumerate(batch):
            try:
                job = plan_job(checked, self.task, self.running, index, len(batch))
            except BidsRsaError as error:
                refused.append((checked.analysis.subject, error))
                continue
            (complete if self.graphs.is_complete(job) else jobs).append(job)
        self.outcome.fail_before(refused)
        for job in complete:
            LOGGER.info(
                "%s is complete with the same settings and inputs: skipped.", job.analysis.title
            )
            self.outcome.rows.append(summarize(job, self.running.output, None))
        self._describe_again(complete)
        for job in complete:
            self.graphs.release(self.graphs.claim(job), done=True)
        failed = self.outcome.failures
        jobs = [job for job in jobs if job.analysis.subject not in failed]
        self.null_notes.tell([job.analysis for job in jobs])
        return [self.graphs.claim(job) for job in jobs]

    def _describe_again(self, complete: Sequence[AnalysisJob]) -> None:
        """Write what the run that made these may have been killed before: no results, but words."""
        if complete:
            self._write_dataset_files(complete)
        output = self.running.output
        for subject in dict.fromkeys(job.analysis.subject for job in complete):
            own = [job for job in complete if job.analysis.subject == subject]
            sidecars = [output / file.sidecar for job in own for file in job.all_planned]
            if not is_logged(output / f"sub-{subject}", sidecars):
                self.running.keep_log(output / f"sub-{subject}")

    def close(
        self, jobs: Sequence[AnalysisJob], failures: Mapping[str, BidsRsaError], clock: Clock
    ) -> None:
        """Note the result of each participant; write the dataset's files once there are results."""
        self.is_new = self.is_new or bool(jobs)
        output = self.running.output
        for subject in dict.fromkeys(job.analysis.subject for job in jobs):
            own = [job for job in jobs if job.analysis.subject == subject]
            done = [job for job in own if job.name not in failures]
            if done:
                self._write_dataset_files(done)
                self.running.keep_log(output / f"sub-{subject}")
            seconds = clock.seconds(subject_name(subject))
            self.outcome.rows += [summarize(job, output, seconds) for job in done]
            for job in own:
                self.graphs.release(job, done=job in done)
                if job.name in failures and subject not in self.outcome.failures:
                    self.outcome.fail(subject, failures[job.name])

    def _write_dataset_files(self, jobs: Sequence[AnalysisJob]) -> None:
        """Describe the dataset and its labels."""
        descriptions = {SEARCHLIGHT: "Centres of the searchlight, and the sizes of their patches"}
        for model in self.task.models:
            file, hashed = Path(model.path).name, model.sha256[:12]
            descriptions[model.name] = f"Agreement with the model RDM {file} (SHA-256 {hashed})"
        links = {path: name for job in jobs for path, name in job.links if name != THIS_DATASET}
        entities = {key for job in jobs for key, _ in job.analysis.others}
        forms = {job.analysis.form for job in jobs}
        write_dataset_files(self.running.output, descriptions, links, entities, forms)

    def write_pages(self, batch: Sequence[CheckedAnalysis]) -> None:
        """Write the pages of the participants of a batch; count those that could not be written."""
        if self.running.settings.no_report:
            return
        # where maps could not be written, neither can pages: it was said once
        unwritten = {
            subject
            for subject, error in self.outcome.failures.items()
            if error.exit_code == ReadWriteError.exit_code
        }
        batched = dict.fromkeys(checked.analysis.subject for checked in batch)
        wanted = [subject for subject in batched if subject not in unwritten]
        subjects = subjects_with_maps(self.running.output, wanted) if wanted else ()
        self.n_pages_failed += len(write_pages(subjects, self.running))

    def finish(self) -> int:
        """Print what is there, tidy up after success, and give the exit code."""
        running, outcome = self.running, self.outcome
        clear_leftovers(
            running.output, [running.output / f"sub-{label}" for label in self.subjects]
        )
        if outcome.rows and not running.settings.no_report:  # once: it reads all sidecars there are
            cite(running.output, self.is_new)
        if outcome.rows:
            show(f"\n{end_table(outcome.rows)}")
        there = {row.label.split("_")[0] for row in outcome.rows}
        if outcome.failures:
            failed = [f"sub-{subject}" for subject in outcome.failures]
            LOGGER.error(
                "%d of %d participants failed: %s. The work directory %s is kept.",
                len(failed), len(there.union(failed)), ", ".join(failed), running.work,
            )  # fmt: skip
        elif not running.keeps_work:
            running.log_file.unlink(missing_ok=True)
            remove_old_logs(running.work)
            graphs = running.work / RUN_WORKFLOW
            own = [graphs / subject_name(label.removeprefix("sub-")) for label in there]
            running.remove_empty(*own, graphs)
        return outcome.exit_code() or int(bool(self.n_pages_failed))
