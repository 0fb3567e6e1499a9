"""Processes in the middle of writing files, as the app writes them."""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

CODE = """
import sys
from contextlib import ExitStack
from bids_rsa.outputs.whole_files import replacing
with ExitStack() as stack:
    for path in sys.argv[1:]:
        stack.enter_context(replacing(path)).write_text("half")
    print("writing", flush=True)
    sys.stdin.read()
"""


@contextmanager
def writing(paths: Iterable[Path]) -> Iterator[subprocess.Popen[str]]:
    """A living process that has begun all these files; it ends them when its input is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, *map(str, paths)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "writing\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def die_writing(paths: Iterable[Path]) -> None:
    """Leave what a process leaves that is killed while it writes these files."""
    with writing(paths) as process:
        process.kill()


def partial_files(folder: Path) -> set[Path]:
    """What lies below a folder that is not whole."""
    return set(folder.rglob(".partial-*"))
