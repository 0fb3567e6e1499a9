"""Layouts whose values are never resampled: all files of an analysis must have the same."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bids_rsa.errors import ContentError


class FixedLayout(ABC):
    """The order and number of values in files that must agree in it; see `Layout`.

    ``_differ`` says in a message how images differ, and ``_one`` what they should share.
    """

    _differ: ClassVar[str]
    _one: ClassVar[str]

    @abstractmethod
    def equals(self, other: Any) -> bool:
        """Tell whether values of both are in the same order at the same places."""

    @abstractmethod
    def differences(self, other: Any) -> str:
        """Say in words in what another layout differs."""

    @abstractmethod
    def describe(self) -> str:
        """Describe it for a message."""

    def bring(self, values: NDArray[Any], source: Any, name: str, first: str) -> NDArray[Any]:
        """Return the values as they are, if they are of this layout; else see `refuse_other`."""
        self.refuse_other(source, name, first)
        return np.ascontiguousarray(values).ravel()

    def refuse_other(self, source: Any, name: str, first: str) -> None:
        """Refuse a file whose values are of other places.

        Raises
        ------
        ContentError
            Describes both.
        """
        if not self.equals(source):
            raise ContentError(
                f"Images of one analysis {self._differ}: {self.differences(source)} differ.\n"
                f"  {first}: {self.describe()}\n  {name}: {source.describe()}",
                f"Resample the images to one {self._one} first.",
            )
