"""Labels of conditions hide neither each other nor points, and their order can be read."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.spatial.distance import pdist

from bids_rsa.plotting import plot_mds, plot_rdm
from bids_rsa.reports.label_places import place_labels
from bids_rsa.reports.parts import arrangement, rdm_picture

BOX = (0.0, 0.0, 400.0, 300.0)


def boxes(centers, sizes):
    """Left, lower, right, upper of each label."""
    return np.hstack([centers - sizes / 2, centers + sizes / 2])


def shared(one, two):
    """The area that two boxes share."""
    width = min(one[2], two[2]) - max(one[0], two[0])
    height = min(one[3], two[3]) - max(one[1], two[1])
    return max(width, 0) * max(height, 0)


def points_of(kind, n):
    rng = np.random.default_rng(n)
    if kind == "spread":
        return rng.uniform(20, 280, (n, 2)) * [1.3, 1]
    if kind == "crowded":
        return rng.normal((200, 150), 14, (n, 2))
    return np.full((n, 2), [200.0, 150.0])  # all in one place


@pytest.mark.parametrize(("kind", "n"), [("spread", 30), ("crowded", 24), ("same place", 12)])
def test_labels_overlap_neither_each_other_nor_the_edge(kind, n):
    points = points_of(kind, n)
    sizes = np.random.default_rng(1).uniform([20, 10], [60, 12], (n, 2))
    placed = place_labels(points, sizes, BOX, gap=4)
    own = boxes(placed.centers, sizes)
    assert max(shared(*pair) for pair in itertools.combinations(own, 2)) < 1e-9
    assert (own[:, :2] >= -1e-9).all() and (own[:, 2:] <= np.array(BOX[2:]) + 1e-9).all()


def test_a_label_that_could_belong_to_another_point_has_a_line():
    points = points_of("crowded", 24)
    sizes = np.tile([40.0, 10.0], (24, 1))
    placed = place_labels(points, sizes, BOX, gap=4)
    for label, box in enumerate(boxes(placed.centers, sizes)):
        nearest = np.clip(points, box[:2], box[2:]) - points
        distances = np.linalg.norm(nearest, axis=1)
        assert placed.needs_line[label] or distances[label] <= distances.min() + 1e-6
    alone = place_labels(points_of("spread", 3), sizes[:3], BOX, gap=4)
    assert not alone.needs_line.any()
    assert len(place_labels([], [], BOX, gap=4).centers) == 0


@pytest.mark.parametrize("n", [8, 30, 92])
def test_arranged_conditions_of_a_page_are_all_labelled_inside_the_frame(n):
    rng = np.random.default_rng(n)
    names = [f"condition {k}" for k in range(1, n + 1)]
    made = arrangement(pdist(rng.normal(size=(n, 3))), names, "x")
    assert [point["name"] for point in made["points"]] == names
    labels = [point["label"] for point in made["points"]]
    assert labels == (names if n <= 30 else [str(k) for k in range(1, n + 1)])
    for point in made["points"]:
        for x, y in ((point["x"], point["y"]), (point["label_x"], point["label_y"])):
            assert 0 < x < made["width"] and 0 < y < made["height"]
    # distances in the frame are those of the arrangement, in both directions alike
    frame = pdist([(point["x"], point["y"]) for point in made["points"]])
    from bids_rsa.core.mds import classical_mds

    own = pdist(classical_mds(pdist(np.random.default_rng(n).normal(size=(n, 3)))))
    ratio = frame[own > 0.3] / own[own > 0.3]
    assert ratio.max() / ratio.min() < 1.1  # places are rounded


@pytest.mark.parametrize("n", [5, 30, 31, 150])
def test_rows_of_an_rdm_are_named_or_numbered(n):
    names = [f"condition {k}" for k in range(1, n + 1)]
    made = rdm_picture(np.arange(n * (n - 1) / 2), names, "x")
    axes = plot_rdm(np.arange(n * (n - 1) / 2), names)
    labels = [text.get_text() for text in axes.get_yticklabels()]
    plt.close(axes.figure)
    assert made["names"] == names
    if n <= 30:
        assert made["ticks"] == [] and labels == names
        return
    rows = [tick["row"] for tick in made["ticks"]]
    assert rows[0] == 1 and 10 in rows and len(rows) <= 20
    assert [str(row) for row in rows] == labels
    for tick in made["ticks"]:  # the middle of its row
        assert tick["top"] == pytest.approx(100 * (tick["row"] - 0.5) / n, abs=0.01)


def test_names_in_a_plot_of_the_library_do_not_overlap():
    rng = np.random.default_rng(7)
    axes = plot_mds(pdist(rng.normal(size=(16, 4))), [f"condition {k}" for k in range(16)])
    axes.figure.draw_without_rendering()
    own = [text.get_window_extent().extents for text in axes.texts]
    plt.close(axes.figure)
    assert len(own) == 16
    assert max(shared(*pair) for pair in itertools.combinations(own, 2)) < 1
