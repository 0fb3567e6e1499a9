"""How large the example dataset of BOLD is, and how strong its effect."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_rsa.example.planted import BOLD_SUBJECTS, CONDITIONS, ExampleSettings


@dataclass(frozen=True)
class BoldExampleSettings(ExampleSettings):
    """How large the dataset is, and how strong and where its effect.

    ``signal`` and ``noise_percent`` are in percent of the baseline; ``start_time_s`` is the time
    within a volume that its slices stand for. ``on_surface`` adds BOLD on fsaverage5.
    """

    n_subjects: int = BOLD_SUBJECTS
    voxel_mm: int = 8
    signal: float = 1.0
    noise_percent: float = 0.8
    repetition_time_s: float = 2.0
    start_time_s: float = 1.0
    events_per_condition: int = 4
    event_duration_s: float = 2.0
    intervals_s: tuple[float, ...] = (3.0, 4.0, 5.0, 14.0)
    on_surface: bool = False

    @property
    def run_intervals_s(self) -> NDArray[np.float64]:
        """From each event of a run to the next, unordered: unequal ones tell responses apart."""
        return np.resize(self.intervals_s, len(CONDITIONS) * self.events_per_condition)

    @property
    def n_volumes(self) -> int:
        """Volumes of a run: all events, and 16 s for the last response."""
        return int((self.run_intervals_s.sum() + 16.0) / self.repetition_time_s)

    @property
    def frame_times_s(self) -> NDArray[np.float64]:
        """The times that the volumes stand for."""
        return self.start_time_s + self.repetition_time_s * np.arange(self.n_volumes, dtype=float)
