"""The last step of a test: correct, threshold, write tables, pictures and maps."""

import logging
from collections.abc import Sequence
from pathlib import Path

from bids_rsa.core.inference import Null
from bids_rsa.group_level.compute import prepare
from bids_rsa.group_level.records import GroupTest
from bids_rsa.group_level.results import family_maxima, make_result
from bids_rsa.group_level.scores import GroupScores
from bids_rsa.group_level.sidecars import common_keys, test_settings
from bids_rsa.group_level.tables import cluster_table, peak_scores
from bids_rsa.group_level.words import fdr_floor, test_warnings
from bids_rsa.group_level.write import write_maps, write_tables
from bids_rsa.report.group_pictures import draw_test

LOGGER = logging.getLogger(__name__)


def write_test(
    test: GroupTest,
    family: Sequence[GroupTest],
    data: GroupScores,
    null: Null,
    family_nulls: Sequence[Null],
    output_dir: Path,
) -> list[str]:
    """Write all files of a test; the sidecar of the thresholded map is the last.

    Parameters
    ----------
    test : GroupTest
        The test.
    family : sequence of GroupTest
        All tests of the call.
    data : GroupScores
        Its data.
    null : Null
        Its null distributions.
    family_nulls : sequence of Null
        Those of all tests of the call, where the correction is over all of them.
    output_dir : Path
        The dataset.

    Returns
    -------
    list of str
        Paths in the dataset.
    """
    ready = prepare(test, data)
    maxima = family_maxima(list(family_nulls)) if family_nulls else null.maxima
    result = make_result(test, data, ready, null, maxima)
    for sentence in test_warnings(test, result.smallest_p):
        LOGGER.warning("%s: %s", test.words, sentence)
    LOGGER.info("%s: %s", test.words, fdr_floor(test, result))
    common = common_keys(test, family, result, test_settings(test, family))
    clusters = cluster_table(test, data, result)
    written = write_tables(test, data, clusters, common, output_dir)
    peaks = peak_scores(test, data, clusters)
    written += draw_test(test, data, result, maxima, peaks, output_dir)
    return written + write_maps(test, data, result, common, output_dir)
