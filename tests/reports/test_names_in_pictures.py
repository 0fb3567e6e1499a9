"""Names of conditions, models and groups come from other people's files: they are text."""

from matplotlib.figure import Figure

from bids_rsa.reports.pictures import save_figure


def test_dollar_signs_begin_no_formula(tmp_path):
    figure = Figure(figsize=(3, 1))
    figure.text(0.1, 0.5, "patients$ and con$trols\\frac")
    _, vector = save_figure(figure, tmp_path / "names.png")
    assert "patients$ and con$trols\\frac" in vector.read_text()
