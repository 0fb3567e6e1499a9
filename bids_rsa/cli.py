"""The command: arguments, logging and signals in, an exit code out."""

import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from logging.handlers import MemoryHandler
from pathlib import Path
from types import FrameType

from bids_rsa.errors import BidsRsaError, ReadWriteError
from bids_rsa.locks import try_lock
from bids_rsa.shortage import as_shortage, refuse_tiny_limit

LOGGER = logging.getLogger("bids_rsa")
SECONDS_TO_END = 2.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the app.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process by default.

    Returns
    -------
    int
        The exit code of the BIDS execution specification.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    debug = "--debug" in arguments
    _open_missing_streams()
    _set_up_logging(arguments)
    if argv is None:
        _catch_signals()
    try:
        refuse_tiny_limit()
        from bids_rsa.options.arguments import parse

        settings = parse(arguments)
        # the libraries of a level are imported only now
        level = import_module(f"bids_rsa.app.{settings.analysis_level}")
        exit_code: int = level.run(settings, _log_to_file)
        return exit_code
    except BidsRsaError as error:
        LOGGER.error("%s", error, exc_info=debug)
        return error.exit_code
    except Exception as error:
        if shortage := as_shortage(error):
            LOGGER.error("%s", shortage, exc_info=debug)
            if argv is None:
                _leave(shortage.exit_code)
            return shortage.exit_code
        if isinstance(error, OSError):
            LOGGER.error("%s", _describe(error), exc_info=debug)
            return ReadWriteError.exit_code
        LOGGER.error("Unexpected %s: %s", type(error).__name__, error, exc_info=debug)
        LOGGER.error("This is an error in bids_rsa; --debug shows the traceback.")
        return 1
    finally:
        _flush()


def _open_missing_streams() -> None:
    """Let what is closed (``2>&-``) lead nowhere; the next file opened would take its place."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the system gives the lowest number that is free
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115


def _flush() -> None:
    """Write out what was printed; a table or a log that cannot be shown undoes no result."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            # what is left in its buffer would fail again when Python ends, with exit code 120
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _log_to_file(path: Path) -> bool:
    """Write the log to a file as well; workers in other processes append to the same file.

    Returns
    -------
    bool
        False where another run has removed the file's folder, or the file before it was locked.
    """
    try:
        handler = logging.FileHandler(path, encoding="utf-8")
        if handler.stream is not None:  # it is in use: other runs leave it alone
            is_held = try_lock(handler.stream.fileno(), path, shared=True)
            if not is_held or not path.exists():
                handler.close()
                return False
    except FileNotFoundError:
        return False
    except OSError as error:
        LOGGER.warning("The log %s cannot be written or locked: %s.", path, error.strerror)
        return True
    utc = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    utc.converter = time.gmtime
    handler.setFormatter(utc)
    root = logging.getLogger()
    # kept, as the two parts of a group call have a log each, which begins with the call
    for early in [h for h in root.handlers if isinstance(h, MemoryHandler)]:
        for record in early.buffer:
            handler.handle(record)
    root.addHandler(handler)
    return True


def _describe(error: OSError) -> str:
    """Say what could not be read or written, and why."""
    where = f" {error.filename}" if error.filename else ""
    return f"Reading or writing failed:{where} ({error.strerror or error})."


def _set_up_logging(arguments: Sequence[str]) -> None:
    """Log to the terminal: warnings and what was decided; each step with -v."""
    verbosity = sum({"-v": 1, "--verbose": 1, "-vv": 2}.get(argument, 0) for argument in arguments)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    early = MemoryHandler(capacity=10_000, flushLevel=logging.CRITICAL + 1)
    logging.basicConfig(level=logging.WARNING, handlers=[handler, early], force=True)
    LOGGER.setLevel(logging.DEBUG if verbosity else logging.INFO)
    # it warns at length where a home cannot be written, and works all the same
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    # a log that cannot be written (a full disk) is no reason for a traceback on the terminal
    logging.raiseExceptions = "--debug" in arguments


def _catch_signals() -> None:
    """Stop at once on SIGTERM and SIGINT, with nothing half-written left.

    Unwinding the stack would wait for the blocks that threads work on, and Nipype's workers catch
    every exception: the process ends itself, and its workers do the same.
    """
    main_process = os.getpid()

    def stop(signal_number: int, _: FrameType | None) -> None:
        """End the workers, remove files that are not finished, and leave."""
        if os.getpid() == main_process:
            name = signal.Signals(signal_number).name
            LOGGER.error("Stopped by %s; the same command resumes the run.", name)
            # the pool complains of the workers that it lost
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
            _end_workers()
        whole_files = sys.modules.get("bids_rsa.outputs.whole_files")
        if whole_files is not None:
            whole_files.discard_unfinished()
        os._exit(128 + signal_number)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def _leave(exit_code: int) -> None:
    """End the process without what libraries do at the end: they need memory, too."""
    _end_workers()
    logging.shutdown()
    os._exit(exit_code)


def _end_workers() -> None:
    """End worker processes, with force those that don't end by themselves."""
    multiprocessing = sys.modules.get("multiprocessing")
    workers = multiprocessing.active_children() if multiprocessing else []
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.join(SECONDS_TO_END / len(workers))
        worker.kill()


if __name__ == "__main__":
    sys.exit(main())
