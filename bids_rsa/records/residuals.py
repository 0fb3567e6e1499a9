"""The residuals of a run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Residuals:
    """The residuals of one run's first-level model: one 4D file, or a file for each volume.

    ``whitened`` says whether the model was whitened in time (None: not known), ``dof`` its degrees
    of freedom, where a file says so. With ``from_bold`` the app makes them itself, and ``paths``
    names the BOLD image that they are made from. ``right`` are the files of the right hemisphere,
    in the order of ``paths``, where the left one's are files of their own.
    """

    run: str | None
    paths: tuple[str, ...]
    whitened: bool | None = None
    dof: float | None = None
    from_bold: bool = False
    right: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """All files."""
        return (*self.paths, *self.right)

    @property
    def volumes_of(self) -> tuple[tuple[str, ...], ...]:
        """The files that contain the same volumes together: one, or one of each hemisphere."""
        if not self.right:
            return tuple((path,) for path in self.paths)
        return tuple(zip(self.paths, self.right, strict=True))
