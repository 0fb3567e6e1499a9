"""Several processes of a run that is killed; for kills at any moment see test_moments.py."""

from fault_runs import MANY, leftovers, results, run, start_until, wait_for_all
from watched import go_on, wait_until_stopped


def test_workers_end_with_the_process_that_is_killed(dataset, tmp_path):
    """Else they would write into the work directory that the next run uses."""
    out, work, clean = tmp_path / "out", tmp_path / "work", tmp_path / "clean"
    process = start_until(
        work, dataset, out, "-w", work, *MANY, there="participant/*/*/searchlight", count=2
    )
    wait_until_stopped(process)
    process.kill()
    go_on(process)
    wait_for_all(process)
    again = run(dataset, out, "-w", work, *MANY)
    assert again.returncode == 0, again.stderr
    assert run(dataset, clean, *MANY).returncode == 0
    assert results(out) == results(clean)
    assert leftovers(out) == []
