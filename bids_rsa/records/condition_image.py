"""An image of a condition, and how the forms of images are read."""

from dataclasses import dataclass
from typing import Literal

from bids_rsa.entities import Named

GIFTI, CIFTI = "gifti", "cifti"  # the readers of maps of hemispheres, and of grayordinates
Form = Literal["volume", "surface", "grayordinates"]
# the readers of images that the app estimates itself
ESTIMATES: dict[Form, str] = {
    "volume": "estimate", "surface": "gifti-estimate", "grayordinates": "cifti-estimate",
}  # fmt: skip
_FORMS: dict[str, Form] = {
    GIFTI: "surface", CIFTI: "grayordinates", **{name: form for form, name in ESTIMATES.items()},
}  # fmt: skip


@dataclass(frozen=True)
class ConditionImage(Named):
    """One image of one condition: a 3D file, or one volume of a 4D file.

    ``volume`` is the 0-based index of the volume in ``path`` (None: the file is 3D); ``reader``
    names how the file is read (``nifti``, ``glmsingle``, ...); ``variance_path`` and
    ``variance_volume`` name the variance image where the producer has one.
    ``n_trials`` is the number of repeats behind the image, where known. ``right`` is the same
    map of the right hemisphere, where the left one is in a separate file.
    """

    path: str
    subject: str
    condition: str
    statistic: str
    run: str | None = None
    volume: int | None = None
    variance_path: str | None = None
    variance_volume: int | None = None
    n_trials: float | None = None
    source: str = "bids"
    reader: str = "nifti"
    dataset: str = ""
    reference: str | None = None
    right: "ConditionImage | None" = None

    @property
    def form(self) -> Form:
        """Whether its values are on a grid, on vertices, or on both."""
        return _FORMS.get(self.reader, "volume")

    @property
    def halves(self) -> tuple["ConditionImage", ...]:
        """The image itself, and the one of the right hemisphere, where that is another file."""
        return (self,) if self.right is None else (self, self.right)

    @property
    def is_estimate(self) -> bool:
        """Whether the app estimates it itself: its file need not be there yet."""
        return self.reader in ESTIMATES.values()

    @property
    def source_file(self) -> str:
        """The file that must be there before anything runs: an estimate is made of its BOLD."""
        return self.reference if self.is_estimate and self.reference else self.path

    @property
    def layout_file(self) -> str:
        """The file whose header says where the values are, before they are there."""
        return self.reference or self.path
