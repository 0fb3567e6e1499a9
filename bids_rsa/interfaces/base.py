"""What all interfaces share: an error that reaches the user whole, from whatever process."""

import errno
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nipype.interfaces.base import File, SimpleInterface, TraitedSpec, traits

from bids_rsa.errors import BidsRsaError, ReadWriteError
from bids_rsa.interfaces.work_files import FAILURE_FILE
from bids_rsa.shortage import as_shortage


class RecordingInterface(SimpleInterface):
    """An interface that leaves a record of its failure in its working directory.

    ``_run_interface`` loads, calls and saves inside `recorded`, and puts the outputs into
    ``_results`` by name.
    """

    @contextmanager
    def recorded(self, runtime: Any) -> Iterator[Path]:
        """Give the folder to save to, and record what goes wrong.

        Nipype turns an exception into text; the record keeps its exit code and its hint, also
        from another process or another machine.
        """
        folder = Path(runtime.cwd)
        try:
            yield folder
        except Exception as error:
            record_failure(error, folder)
            raise


class ImagesOutput(TraitedSpec):
    """What an interface that writes results gives."""

    images = traits.List(File(exists=True), desc="the images written")


class FiguresOutput(TraitedSpec):
    """What an interface that draws gives."""

    figures = traits.List(File(exists=True), desc="the pictures drawn")


def saved_record(**keywords: Any) -> Any:
    """Make the trait of a record that a node saved: its files, the JSON first."""
    return traits.List(File(exists=True), **keywords)


def as_texts(paths: Iterable[Path]) -> list[str]:
    """Write paths as Nipype takes them."""
    return [str(path) for path in paths]


def record_failure(error: Exception, folder: Path) -> None:
    """Write what went wrong where the main process looks for it."""
    failure = {"message": f"{type(error).__name__}: {error}", "hint": "", "exit_code": 1}
    told = error if isinstance(error, BidsRsaError) else as_shortage(error)
    if told is not None:
        failure = {"message": told.message, "hint": told.hint, "exit_code": told.exit_code}
    elif isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EIO, errno.EDQUOT):
        where = f" {error.filename}" if error.filename else ""
        failure = {
            "message": f"Reading or writing failed:{where} ({error.strerror}).",
            "hint": "Make room (or check the disk), and start again.",
            "exit_code": ReadWriteError.exit_code,
        }
    try:
        (folder / FAILURE_FILE).write_text(json.dumps(failure), encoding="utf-8")
    except OSError:
        return  # a full disk: the main process finds the error's text in Nipype's report
