"""Every oddity of an events table: a clear error, or the reading that the docs describe."""

import numpy as np
import pytest

from bids_rsa.errors import ContentError
from bids_rsa.estimation.events import within_run
from bids_rsa.estimation.events_table import read_events

PLAIN = "onset\tduration\ttrial_type\n1\t2\tface\n5\t2\thouse\n9\t2\tface\n"


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "sub-01_task-x_run-1_events.tsv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def as_rows(events):
    return list(zip(events.onsets_s, events.durations_s, events.conditions, strict=True))


def test_a_plain_table_is_read_as_it_stands(write):
    events = read_events(write(PLAIN))
    assert as_rows(events) == [(1, 2, "face"), (5, 2, "house"), (9, 2, "face")]
    assert events.names == ("face", "house")
    assert events.count("face") == 2
    assert events.notes == events.warnings == ()


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + PLAIN.encode(),
        PLAIN.replace("\n", "\r\n"),
        PLAIN + "\n\n",
        "onset\tduration\ttrial_type\n9\t2\tface\n1\t2\tface\n5\t2\thouse\n",
        "trial_type\tresponse_time\tonset\tduration\tmodulation\n"
        "face\tn/a\t1\t2\t7\nhouse\t.5\t5\t2\t8\nface\t.4\t9\t2\t9\n",
    ],
    ids=["byte order mark", "CRLF", "empty lines", "unsorted", "other columns"],
)
def test_what_changes_nothing(write, content):
    assert as_rows(read_events(write(content))) == as_rows(read_events(write(PLAIN)))


def test_names_are_texts_as_they_stand(write):
    events = read_events(
        write(
            "onset\tduration\ttrial_type\n0\t1\t1\n2\t1\t2\n4\t1\t10\n6\t1\tleft Hand\n"
            "8\t1\tGrüße\n"
        )
    )
    assert events.conditions == ("1", "2", "10", "left Hand", "Grüße")


def test_another_column_splits_the_conditions(write):
    path = write("onset\tduration\ttrial_type\tstim_file\n0\t1\tface\ta.png\n2\t1\tface\tb.png\n")
    assert read_events(path, "stim_file").conditions == ("a.png", "b.png")


def test_rows_without_a_condition_are_left_out_and_counted(write):
    events = read_events(
        write(
            "onset\tduration\ttrial_type\n0\t1\tface\n2\tn/a\tn/a\n4\t1\t\n6\t1\tnan\n8\t1\tcat\n"
        )
    )
    assert events.conditions == ("face", "cat")
    assert "3 of 5 events have no trial_type" in events.notes[0]


def test_equal_events_count_once_with_a_warning(write):
    events = read_events(
        write("onset\tduration\ttrial_type\n1\t2\tface\n1\t2\tface\n1\t2\tcat\n1\t3\tface\n")
    )
    assert as_rows(events) == [(1, 2, "face"), (1, 2, "cat"), (1, 3, "face")]
    assert "face at 1 s" in events.warnings[0]


def test_an_event_may_last_no_time(write):
    events = read_events(write("onset\tduration\ttrial_type\n1\t0\tface\n3\t0\tcat\n"))
    assert events.durations_s.tolist() == [0, 0]


def test_a_missing_duration_is_an_error_that_names_rows_unless_one_is_given(write):
    path = write("onset\tduration\ttrial_type\n1\t2\tface\n3\tn/a\tcat\n5\tn/a\tface\n")
    with pytest.raises(ContentError, match=r"_events\.tsv.*2 rows.*: 2, 3") as error:
        read_events(path)
    assert "--event-duration" in error.value.hint
    assert read_events(path, event_duration=4.0).durations_s.tolist() == [2, 4, 4]


def test_a_table_without_durations_needs_one(write):
    path = write("onset\ttrial_type\n1\tface\n3\tcat\n")
    with pytest.raises(ContentError, match="no column 'duration'"):
        read_events(path)
    assert read_events(path, event_duration=0.5).durations_s.tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("onset\tduration\n1\t2\n", "no column 'trial_type'; its columns: onset, duration"),
        ("a\tb\n1\t2\n", "no column 'onset' and no column 'duration' and no column 'trial_type'"),
        ("onset\tduration\ttrial_type\n1,5\t2\tface\n", "row 1 .*'onset' contains '1,5'"),
        ("onset\tduration\ttrial_type\n1\t2,5\tface\n", "row 1 .*'duration' contains '2,5'"),
        ("onset\tduration\ttrial_type\n1\t-2\tface\n", "negative in rows below the header: 1"),
        ("onset\tduration\ttrial_type\nn/a\t2\tface\n", "row 1 below the header has no onset"),
        ("onset\tduration\ttrial_type\ninf\t2\tface\n", "'inf'"),
        ("onset\tduration\ttrial_type\n1\t2\tface\n3\t2\n", "row 2 .*2 cells.*3"),
        ("onset\tduration\ttrial_type\n", "no row has a value in the column 'trial_type'"),
        ("onset\tduration\ttrial_type\n1\t2\tn/a\n", "no row has a value"),
        ("", "empty"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(write, content, said):
    path = write(content)
    with pytest.raises(ContentError, match=said) as error:
        read_events(path)
    assert path in error.value.message


def test_events_outside_the_run_are_left_out_with_a_warning(write):
    events = read_events(
        write("onset\tduration\ttrial_type\n-30\t1\tface\n-20\t1\tcat\n5\t1\tcat\n20\t1\tcat\n")
    )
    kept = within_run(events, np.arange(10) * 2.0)
    assert kept.onsets_s.tolist() == [-20, 5]
    assert any("face at -30 s" in text for text in kept.warnings)
    assert any("cat at 20 s" in text for text in kept.warnings)


def test_onsets_in_milliseconds_are_an_error(write):
    events = read_events(write("onset\tduration\ttrial_type\n5000\t1\tface\n9000\t1\tcat\n"))
    with pytest.raises(ContentError, match="5000 to 9000") as error:
        within_run(events, np.arange(100) * 2.0)
    assert "milliseconds" in error.value.hint


def test_one_spelling_of_an_accent(write):
    composed, decomposed = "Gr\u00fc\u00dfe", "Gru\u0308\u00dfe"
    events = read_events(
        write(f"onset\tduration\ttrial_type\n1\t1\t{composed}\n9\t1\t{decomposed}\n")
    )
    assert events.names == (composed,) and events.count(composed) == 2


@pytest.mark.parametrize("name", ["onset", "duration", "trial_type"])
def test_a_column_that_occurs_twice_is_refused(write, name):
    content = PLAIN.replace("trial_type", f"trial_type\t{name}", 1)
    content = "\n".join(
        line + "\t3" * (i > 0) for i, line in enumerate(content.strip().split("\n"))
    )
    with pytest.raises(ContentError, match=f"several columns '{name}'"):
        read_events(write(content))


def test_overlapping_events_of_a_condition_are_told(write):
    told = read_events(write(PLAIN + "9.5\t1\tface\n10\t1\thouse\n12\t1\tface\n"))
    (warning,) = told.warnings
    assert "added up" in warning and "face at 9.5 s" in warning
    assert "house" not in warning and "12 s" not in warning
    assert read_events(write(PLAIN + "11\t2\tface\n")).warnings == ()


def test_durations_in_milliseconds_are_refused(write):
    frame_times = np.arange(0.5, 60, 1.0)
    events = read_events(write(PLAIN.replace("\t2\t", "\t2000\t")))
    with pytest.raises(ContentError, match="last longer than the run") as caught:
        within_run(events, frame_times)
    assert "milliseconds" in str(caught.value.hint)


def test_an_event_beyond_the_end_is_told(write):
    frame_times = np.arange(0.5, 60, 1.0)
    kept = within_run(read_events(write(PLAIN + "50\t30\thouse\n")), frame_times)
    (warning,) = kept.warnings
    assert "house at 50 s for 30 s" in warning and "59.5 s" in warning
    assert within_run(read_events(write(PLAIN + "50\t12\thouse\n")), frame_times).warnings == ()


def test_events_that_follow_each_other_at_once_do_not_overlap(write):
    # .1 + .2 is more than .3 in binary, and tables are rounded to milliseconds
    rows = "0.1\t0.2\tface\n0.3\t2.001\tface\n2.3\t1\tface\n"
    assert read_events(write("onset\tduration\ttrial_type\n" + rows)).warnings == ()
