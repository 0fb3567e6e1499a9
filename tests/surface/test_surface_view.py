"""Pictures of hemispheres: the vertex at each pixel is the one in front, on the right side."""

import numpy as np
import pytest

from bids_rsa.reports.drawing import opacity_of, scale_of
from bids_rsa.reports.pictures import mosaic_figure, paint, save_figure
from bids_rsa.reports.surface_view import DrawnHemisphere, lay_out_hemispheres


@pytest.fixture(scope="module")
def brain():
    """fsaverage5: both hemispheres, inflated, in one space."""
    from nilearn.datasets import load_fsaverage

    surfaces, found, before = load_fsaverage("fsaverage5"), [], 0
    for side, name in (("L", "left"), ("R", "right")):
        white, pial, view = (
            surfaces[kind].parts[name] for kind in ("white_matter", "pial", "inflated")
        )
        middle = (white.coordinates + pial.coordinates) / 2.0
        locations = before + np.arange(len(middle))
        before += len(middle)
        found.append(
            DrawnHemisphere(side, view.coordinates, np.asarray(view.faces), middle, locations)
        )
    return found


@pytest.fixture(scope="module")
def mosaic(brain):
    return lay_out_hemispheres(brain)


def quarters(mosaic, values):
    """The mean at the pixels of left lateral, right lateral, left medial, right medial."""
    height, width = (n // 2 for n in mosaic.shape)
    picture, there = mosaic.sample(values), mosaic.locations >= 0
    return [
        picture[rows, columns][there[rows, columns]].mean()
        for rows in (slice(height), slice(height, None))
        for columns in (slice(width), slice(width, None))
    ]


def test_each_view_shows_its_own_hemisphere_from_its_own_side(brain, mosaic):
    side = np.repeat([-1.0, 1.0], [len(one.middle_mm) for one in brain])
    assert quarters(mosaic, side) == [-1, 1, -1, 1]
    # away from the midline of the folded surface: far in lateral views, near in medial ones
    away = np.abs(np.concatenate([one.middle_mm[:, 0] for one in brain]))
    lateral_left, lateral_right, medial_left, medial_right = quarters(mosaic, away)
    assert min(lateral_left, lateral_right) > 1.5 * max(medial_left, medial_right)


def test_anterior_and_superior_are_where_they_belong(brain, mosaic):
    height, width = (n // 2 for n in mosaic.shape)
    points = np.concatenate([one.coordinates_mm for one in brain])
    there = mosaic.locations >= 0
    _, columns = np.nonzero(there)
    rows, _ = np.nonzero(there)
    places = points[mosaic.locations[there]]
    for down in range(2):
        for across in range(2):
            inside = (rows // height == down) & (columns // width == across)
            anterior = np.corrcoef(columns[inside], places[inside, 1])[0, 1]
            # seen from the left, the front of the brain is on the left
            assert np.sign(anterior) == (-1 if down == across else 1)
            assert np.corrcoef(rows[inside], places[inside, 2])[0, 1] < -0.99


def test_the_vertex_in_front_is_seen(brain):
    """Of a sphere, the half that faces the eye."""
    one = brain[0]
    from nilearn.datasets import load_fsaverage

    sphere = load_fsaverage("fsaverage5")["sphere"].parts["left"]
    ball = np.asarray(sphere.coordinates, dtype=float)
    drawn = DrawnHemisphere("L", ball, one.triangles, ball, np.arange(len(ball)))
    mosaic = lay_out_hemispheres([drawn], 400)
    half = mosaic.shape[1] // 2
    for columns, sign in ((slice(half), -1), (slice(half, None), 1)):
        seen = mosaic.locations[:, columns]
        x = ball[seen[seen >= 0], 0]
        assert (sign * x > -2.0).all()
        assert len(x) > 0.9 * np.pi * (half / 2 - 12) ** 2


def test_what_is_no_number_shows_the_surface(brain, mosaic, tmp_path):
    occipital = np.concatenate([one.middle_mm[:, 1] < -70 for one in brain])
    values = np.where(occipital, 0.5, np.nan)
    picture = mosaic.sample(values)
    assert set(np.unique(picture)) == {0.0, 0.5}
    scale = scale_of(np.nan_to_num(values), "rho", "symmetric")
    painted = paint(mosaic, picture, opacity_of(picture, scale), scale)
    plain = np.rint(255 * mosaic.grey).astype(np.uint8)
    assert (painted[picture == 0] == plain[picture == 0][:, None]).all()
    assert (painted[picture > 0] != plain[picture > 0][:, None]).any(axis=1).all()
    outline = (picture > 0).astype(float)
    figure = mosaic_figure(mosaic, painted, scale, "A map", ["A note."], outline)
    written = {text.get_text() for text in figure.axes[0].texts}
    assert written == {"left, lateral", "left, medial", "right, lateral", "right, medial"}
    files = save_figure(figure, tmp_path / "map.png")
    assert all(path.stat().st_size < 600_000 for path in files)
