"""Nipype's MultiProc, made to outlive a worker that the system has killed."""

import multiprocessing
import os
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing.connection import wait
from threading import Thread
from traceback import format_exception
from typing import Any

from nipype.pipeline.plugins.multiproc import MultiProcPlugin, process_initializer


class WorkerPool(MultiProcPlugin):
    """Run nodes in several processes.

    Nipype's own plugin waits for ever when a worker is killed, as systems do when memory runs
    out. Here the nodes that were running fail with ``BrokenProcessPool``, and the others go on in
    new workers. Its workers also live on when the main process is killed; here they end with it.
    """

    def __init__(self, plugin_args: dict[str, Any] | None = None) -> None:
        super().__init__(plugin_args=plugin_args)
        self.pool = self._new_pool()  # in place of Nipype's own, which has started no worker yet

    def _new_pool(self) -> ProcessPoolExecutor:
        """Make a pool, whose workers start with the first nodes."""
        return ProcessPoolExecutor(
            max_workers=self.processors,
            initializer=_start_worker,
            initargs=(self._cwd,),
            mp_context=multiprocessing.get_context(self.plugin_args.get("mp_context")),
        )

    def _async_callback(self, args: Future[Any]) -> None:
        """Take a finished task's result; of a lost one `_get_result` tells."""
        if args.exception() is None:
            super()._async_callback(args)

    def _get_result(self, taskid: int) -> Any:
        """Look for a task's result; a lost task has a traceback for result, as failed ones have."""
        future = self._task_obj.get(taskid)
        error = future.exception() if future is not None and future.done() else None
        if error is not None:
            return {"result": None, "traceback": format_exception(error), "taskid": taskid}
        return super()._get_result(taskid)

    def _submit_job(self, node: Any, updatehash: bool = False) -> int:
        """Submit a node, to new workers where the old ones are gone."""
        if getattr(self.pool, "_broken", False):
            self.pool = self._new_pool()
        task: int = super()._submit_job(node, updatehash=updatehash)
        return task


def _start_worker(folder: str) -> None:
    """Prepare a worker for nodes, and let it watch the process that it works for."""
    process_initializer(folder)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process as soon as its parent is gone.

    No one would take its result, and the next run may be working in the same folders already.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
