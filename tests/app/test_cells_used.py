"""The number of cells that a sidecar states, and that the group level's transform relies on."""

from bids_rsa.outputs.sidecars import _cells_used
from bids_rsa.records import ModelRdm

NAN = float("nan")
NAMES = ("a", "b", "c")


def model(name, ab, ac, bc):
    cells = ((0.0, ab, ac), (ab, 0.0, bc), (ac, bc, 0.0))
    return ModelRdm(name, f"{name}.tsv", "", NAMES, cells)


def test_a_joint_fit_uses_the_cells_that_all_its_models_have():
    lacks_ab, lacks_bc = model("one", NAN, 1.0, 2.0), model("two", 1.0, 2.0, NAN)
    assert _cells_used([lacks_ab], NAMES) == 2
    assert _cells_used([lacks_ab, lacks_bc], NAMES) == 1
    assert _cells_used([lacks_ab], ("a", "c")) == 1
