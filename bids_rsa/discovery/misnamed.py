"""Folders and files that are not used because of their names, in words."""

from dataclasses import dataclass, field

from bids_rsa.words import few


@dataclass
class Misnamed:
    """What is in the datasets under a name that BIDS does not allow, or at another's place.

    Attributes
    ----------
    folders : list of str
        ``sub-*`` folders whose label contains more than letters and digits, or nothing.
    files : list of (str, str)
        Path, and the part of its name that is wrong.
    elsewhere : list of str
        Files in the folder of another participant than the one they name.
    """

    folders: list[str] = field(default_factory=list)
    files: list[tuple[str, str]] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def sentences(self) -> list[str]:
        """Say what was not used, and why."""
        files = [f"{path} ({part})" for path, part in self.files]
        labels = "labels may contain only letters and digits"
        return [
            f"{what}: {few(list(dict.fromkeys(paths)), 3)}. {hint}"
            for what, paths, hint in (
                (f"Folders not searched, because {labels}", self.folders, "Rename them."),
                (
                    f"Files not used, because {labels}, and runs only numbers",
                    files,
                    "Rename them.",
                ),
                (
                    "Files not used, because they name another participant than their folder",
                    self.elsewhere,
                    "Move or rename them.",
                ),
            )
            if paths
        ]
