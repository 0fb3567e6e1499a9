"""When volumes were taken: each rule of docs/from-bold.md, and what it says of itself."""

import numpy as np
import pytest

from bids_rsa.errors import ContentError, OptionError
from bids_rsa.estimation.timing import find_timing
from bids_rsa.spaces.series import Step

HEADER = (2.5, "sec")
CORRECTED = {"RepetitionTime": 2.5, "SliceTimingCorrected": True}


def timing(preproc=None, raw=None, header=HEADER, n_volumes=4, start_time=None):
    return find_timing(
        "run-1",
        n_volumes,
        preproc or {},
        raw or {},
        Step(*header, "pixdim[4] of the image"),
        start_time,
    )


@pytest.mark.parametrize(
    ("preproc", "given", "start", "source", "warned"),
    [
        (CORRECTED | {"StartTime": 1.25}, None, 1.25, "StartTime of the preprocessed BOLD", False),
        (CORRECTED | {"StartTime": 0}, None, 0.0, "StartTime of the preprocessed BOLD", False),
        (CORRECTED | {"StartTime": 0.6}, None, 0.6, "StartTime of the preprocessed BOLD", False),
        (CORRECTED, None, 1.25, "absent, slice times corrected", True),
        (CORRECTED | {"SliceTimingCorrected": False}, None, 1.25, "not corrected", False),
        ({"RepetitionTime": 2.5}, None, 1.25, "not corrected", False),
        (CORRECTED | {"StartTime": 1.25}, 0.3, 0.3, "--start-time", False),
        (CORRECTED, 0.0, 0.0, "--start-time", False),
    ],
)
def test_the_start_time(preproc, given, start, source, warned):
    found = timing(preproc, start_time=given)
    assert found.start_time_s == start
    np.testing.assert_allclose(found.frame_times_s, start + 2.5 * np.arange(4), rtol=1e-15)
    assert source in found.start_time_source
    assert bool(found.warnings) == warned


def test_the_repetition_time_comes_from_the_nearest_sidecar():
    assert timing({"RepetitionTime": 2}, {"RepetitionTime": 3}).repetition_time_s == 2
    raw = timing({}, {"RepetitionTime": 3})
    assert raw.repetition_time_s == 3
    assert raw.repetition_time_source == "RepetitionTime of the raw BOLD"


@pytest.mark.parametrize(
    "header",
    [(2.5, "sec"), (2500.0, "msec"), (2.5e6, "usec"), (2500.0, "unknown"), (2.5, "unknown")],
)
def test_without_a_sidecar_the_header_is_read_in_its_unit_with_a_warning(header):
    found = timing(header=header)
    assert found.repetition_time_s == pytest.approx(2.5)
    assert found.repetition_time_source == "pixdim[4] of the image"
    assert "No sidecar has a RepetitionTime" in found.warnings[0]


def test_a_header_that_contradicts_the_sidecar_is_told():
    found = timing({"RepetitionTime": 2.0, "StartTime": 1}, header=(1.0, "sec"))
    assert found.repetition_time_s == 2.0
    assert "header says a repetition time of 1 s" in found.warnings[0]


def test_volume_timing_replaces_the_repetition_time():
    times = [0.0, 3.0, 9.0, 12.0]
    found = timing({"VolumeTiming": times, "StartTime": 0.5, "RepetitionTime": 9})
    assert found.frame_times_s == (0.5, 3.5, 9.5, 12.5)
    assert found.repetition_time_source == "VolumeTiming of the preprocessed BOLD"
    pause = timing({}, {"VolumeTiming": times, "AcquisitionDuration": 2.0})
    assert pause.start_time_s == 1.0
    assert pause.frame_times_s == (1.0, 4.0, 10.0, 13.0)


@pytest.mark.parametrize(
    ("preproc", "header", "said"),
    [
        ({}, (0.0, "sec"), "no repetition time was found"),
        ({"RepetitionTime": 2500}, HEADER, "2500"),
        ({"RepetitionTime": 0}, HEADER, "RepetitionTime .* is 0"),
        ({"RepetitionTime": "2.5"}, HEADER, "'2.5'"),
        ({"VolumeTiming": [0, 1, 2]}, HEADER, "3 values"),
        ({"VolumeTiming": [0, 2, 1, 3]}, HEADER, "ascending"),
        ({"VolumeTiming": "0 1 2 3"}, HEADER, "no list of numbers"),
    ],
)
def test_times_that_cannot_be_are_errors(preproc, header, said):
    with pytest.raises(ContentError, match=said) as error:
        timing(preproc, header=header)
    assert "run-1" in error.value.message


def test_a_start_time_beyond_the_volume_is_refused():
    assert timing(CORRECTED, start_time=2.5).start_time_s == 2.5
    with pytest.raises(OptionError, match=r"--start-time is 50 s, and a volume takes 2\.5 s"):
        timing(CORRECTED, start_time=50.0)
