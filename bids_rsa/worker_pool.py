"""Nipype's MultiProc, made to outlive a worker that the system has killed."""

import multiprocessing
from concurrent.futures import Future, ProcessPoolExecutor
from traceback import format_exception
from typing import Any

from nipype.pipeline.plugins.multiproc import MultiProcPlugin, process_initializer


class WorkerPool(MultiProcPlugin):
    """Run nodes in several processes.

    Nipype's own plugin waits for ever when a worker is killed, as systems do when memory runs
    out. Here the nodes that were running fail with ``BrokenProcessPool``, and the others go on in
    new workers.
    """

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
            self.pool: ProcessPoolExecutor = ProcessPoolExecutor(
                max_workers=self.processors,
                initializer=process_initializer,
                initargs=(self._cwd,),
                mp_context=multiprocessing.get_context(self.plugin_args.get("mp_context")),
            )
        task: int = super()._submit_job(node, updatehash=updatehash)
        return task
