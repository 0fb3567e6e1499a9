"""Lack of memory, said in words whatever it looks like: an error of Python or of a library."""

import errno
import resource
from collections.abc import Iterator

from bids_rsa.errors import ResourceError
from bids_rsa.machine import GIB, find_machine

# in less the libraries cannot all be loaded: some end the process then, and LLVM tries for ever
LEAST_ADDRESS_SPACE = GIB
# what errors say where memory, or what may be reserved of it, ran out
_SIGNS = {
    "MemoryError": "an array could not be allocated",
    "Cannot allocate memory": "memory could not be allocated",
    "can't start new thread": "a thread could not be started",
    "failed to map segment": "a library could not be loaded",
}
# numba's words for any library that cannot be loaded
_OF_LIBRARIES = "Could not find/load shared object file"


def refuse_tiny_limit() -> None:
    """Refuse to start where the libraries cannot be loaded.

    Raises
    ------
    ResourceError
        ``ulimit -v`` is too small.
    """
    limit = _address_space()
    if limit is not None and limit < LEAST_ADDRESS_SPACE:
        raise ResourceError(
            f"This process may reserve {limit / GIB:.2g} GB of memory (ulimit -v), and its "
            f"libraries cannot be loaded in less than {LEAST_ADDRESS_SPACE / GIB:g} GB.",
            _hint(),
        )


def as_shortage(error: BaseException) -> ResourceError | None:
    """Tell whether memory ran out; None for any other error.

    Parameters
    ----------
    error : BaseException
        Those that caused it are looked at as well.
    """
    signs = dict(_SIGNS)
    if _address_space() is not None:
        signs[_OF_LIBRARIES] = _SIGNS["failed to map segment"]
    for one in chain(error):
        told = f"{type(one).__name__}: {one}"
        if isinstance(one, MemoryError) or getattr(one, "errno", None) == errno.ENOMEM:
            told = f"MemoryError: {one}"
        what = next((words for sign, words in signs.items() if sign in told), None)
        if what:
            machine = find_machine()
            return ResourceError(
                f"Memory ran out: {what}. This process may use {machine.memory_gb:.1f} GB "
                f"({machine.memory_from}).",
                _hint(),
            )
    return None


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that caused it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _address_space() -> int | None:
    """Give the limit of ``ulimit -v`` in bytes; None where there is none."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def _hint() -> str:
    """Say what can be done."""
    if _address_space() is not None:
        return (
            "Raise or remove ulimit -v, which limits what is reserved, far more than what is used "
            "(2 GB for each process are enough for most data). --mem-gb limits what is used."
        )
    return (
        "Give more memory (docker run --memory, sbatch --mem), or use fewer --nprocs or a smaller "
        "--mem-gb; the same command resumes the run."
    )
