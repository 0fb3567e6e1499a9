"""A figure of a group test with its title and notes, and a place for axes between them."""

import textwrap

from matplotlib.figure import Figure

from bids_rsa.group.statements import interpretation
from bids_rsa.group.write import GroupJob
from bids_rsa.reports.group_words import headline

# in inches, in letters of a line of the title and of a note
_SIZE, _TITLE_LETTERS, _NOTE_LETTERS = (10.5, 5.0), 112, 158


def notes_of(job: GroupJob) -> list[str]:
    """Say what every picture of the group level says."""
    return [interpretation(job.test), job.tried.sentence()]


def plain_figure(job: GroupJob, subtitle: str) -> tuple[Figure, tuple[float, float, float, float]]:
    """Make a figure with a title and notes; return it with the place left for axes."""
    title = textwrap.wrap(headline(job.test), _TITLE_LETTERS)
    notes = [line for note in notes_of(job) for line in textwrap.wrap(note, _NOTE_LETTERS)]
    height = _SIZE[1] + 0.22 * (len(title) - 1) + 0.16 * len(notes)
    figure = Figure(figsize=(_SIZE[0], height), facecolor="white")
    figure.text(0.01, 1 - 0.12 / height, "\n".join(title), fontsize=12, va="top")
    below = 0.16 + 0.24 * len(title)
    figure.text(0.01, 1 - below / height, subtitle, fontsize=9.5, va="top")
    foot = 0.1 + 0.16 * len(notes)
    figure.text(0.01, (foot - 0.04) / height, "\n".join(notes), fontsize=8, va="top")
    bottom = (foot + 0.75) / height
    return figure, (0.08, bottom, 0.89, 1 - (below + 0.35) / height - bottom)
