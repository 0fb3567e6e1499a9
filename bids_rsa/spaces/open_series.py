"""The BOLD series of a run, opened whatever files hold it."""

from collections.abc import Sequence

from bids_rsa.spaces.grayordinate_series import GrayordinateSeries
from bids_rsa.spaces.map_files import is_gifti, is_series
from bids_rsa.spaces.series import BoldSeries
from bids_rsa.spaces.vertex_series import VertexSeries
from bids_rsa.spaces.volume_series import VolumeSeries


def open_time_series(paths: Sequence[str]) -> BoldSeries:
    """Open the file of a run, or the files of its hemispheres, without reading values.

    Raises
    ------
    BidsRsaError
        A file is missing or damaged, or is no series; hemispheres of different lengths.
    """
    if is_gifti(paths[0]):
        return VertexSeries(paths)
    return GrayordinateSeries(paths[0]) if is_series(paths[0]) else VolumeSeries(paths[0])
