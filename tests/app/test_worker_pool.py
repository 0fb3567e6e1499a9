"""A worker that the system kills takes its own node along, not the run."""

import pytest
from nipype.interfaces.utility import Function
from nipype.pipeline.engine import Node, Workflow

from bids_rsa.app.execution import Caught, Clock, _find_failure
from bids_rsa.app.plugins import CRASH_FOLDER, Plugin, configure


def be_killed():
    import os
    import signal

    os.kill(os.getpid(), signal.SIGKILL)


def write(path, after=None):
    from pathlib import Path

    Path(path).write_text("done")
    return path


@pytest.mark.timeout(120)
def test_a_killed_worker_does_not_stop_the_others(tmp_path):
    configure(tmp_path / "work", stop_on_first_crash=False, with_messages=False)
    workflow = Workflow("participant", base_dir=str(tmp_path / "work"))
    for name in ("lost", "fine"):
        workflow.add_nodes([Workflow(f"sub_{name}")])
    lost, fine = sorted(workflow._graph.nodes, key=lambda node: node.name, reverse=True)
    lost.add_nodes([Node(Function(function=be_killed), name="node")])
    first = Node(Function(["path"], ["path"], write), name="first")
    first.inputs.path = str(tmp_path / "first")
    second = Node(Function(["path", "after"], ["path"], write), name="second")
    second.inputs.path = str(tmp_path / "second")
    fine.connect(first, "path", second, "after")
    plugin = Plugin("MultiProc", {"n_procs": 1, "memory_gb": 4.0}, 1, 4.0)
    clock = Clock()
    with Caught() as caught:
        workflow.run(**plugin.arguments_of_run(clock))
    assert (tmp_path / "second").exists()
    error = _find_failure(tmp_path / "work" / "participant" / "sub_lost", caught.error, tmp_path)
    assert "worker process was killed" in error.message
    assert set(clock.taken) == {"sub_lost", "sub_fine"}
    assert list((tmp_path / "work" / CRASH_FOLDER).iterdir())  # and none elsewhere
