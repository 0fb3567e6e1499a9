"""The settings and the log of each run, kept next to its results."""

from collections.abc import Iterable
from contextlib import nullcontext, suppress
from pathlib import Path

from bids_rsa.outputs.whole_files import replacing_together

FOLDER = "log"
# the last to take its name: a log is whole where this is there
SETTINGS = "bids_rsa.toml"
LOG = "bids_rsa.log"


def write_run_log(folder: Path, run_id: str, settings: str, log: str) -> None:
    """Write the settings and the log of a run into ``folder/log/run_id``."""
    own = folder / FOLDER / run_id
    texts = {own / SETTINGS: settings, own / LOG: log}
    with replacing_together(list(texts), nullcontext()) as beside:
        for path, text in texts.items():
            beside[path].write_text(text, encoding="utf-8")


def is_logged(folder: Path, results: Iterable[Path]) -> bool:
    """Tell whether a run has written its log since these results are there.

    A run that is killed after its last result, and before its log, leaves no other trace.
    """
    logged = (path.stat().st_mtime_ns for path in folder.glob(f"{FOLDER}/*/{SETTINGS}"))
    return max(logged, default=0) >= max((path.stat().st_mtime_ns for path in results), default=0)


def remove_half_logs(folder: Path) -> None:
    """Remove the logs, in a folder and those right below it, that killed runs did not finish.

    What a living run is writing has a temporary file next to it, or is written once more.
    """
    for own in (*folder.glob(f"{FOLDER}/*_*/"), *folder.glob(f"*/{FOLDER}/*_*/")):
        with suppress(OSError):  # another run's, which was faster
            if {path.name for path in own.iterdir()} <= {LOG}:
                (own / LOG).unlink(missing_ok=True)
                own.rmdir()
