"""The errors a user can meet, each with the exit code of the BIDS execution specification.

BidsRsaError
├── OptionError          2   an option, a name, a radius that cannot be used
├── ValidationError     16   the input failed the validation that was asked for
├── SelectionError      18   filters that select nothing
├── ContentError        65   what models, masks or images contain
├── InputError          66   missing files, or nothing to work on
│   └── MissingFileError
├── OutputError         73   an output that cannot be created or must not be replaced
│   └── ResourceError        for lack of memory, said before anything starts
└── ReadWriteError      74   reading or writing failed

Wrong values are ValueErrors too, and a missing file is a FileNotFoundError, for users of the
library.
"""


class BidsRsaError(Exception):
    """Something a user can correct.

    Parameters
    ----------
    message : str
        What was found, where, and what was expected, in full sentences.
    hint : str
        What to do about it.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        # crosses process borders (Nipype's MultiProc) with its hint
        return type(self), (self.message, self.hint)


class OptionError(BidsRsaError, ValueError):
    """An option, a name or a number on the command line that cannot be used."""

    exit_code = 2


class ValidationError(BidsRsaError):
    """The input failed the validation that was asked for."""

    exit_code = 16


class SelectionError(BidsRsaError):
    """Filters that select nothing."""

    exit_code = 18


class ContentError(BidsRsaError, ValueError):
    """The content of a model, a mask or an image is not what is needed."""

    exit_code = 65


class InputError(BidsRsaError):
    """Missing files, or nothing to work on."""

    exit_code = 66


class MissingFileError(InputError, FileNotFoundError):
    """A file that was named is not there."""


class OutputError(BidsRsaError):
    """An output that cannot be created or must not be replaced, or too little memory."""

    exit_code = 73


class ResourceError(OutputError):
    """More memory is needed than this process may use."""


class ReadWriteError(BidsRsaError):
    """Reading or writing failed (a full disk, a broken mount)."""

    exit_code = 74
