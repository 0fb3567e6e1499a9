"""Group statistics by sign flips and permutations: arrays in, arrays out."""

from bids_rsa.core.inference.adjacency import Adjacency, joined, mesh_adjacency
from bids_rsa.core.inference.clusters import ClusterSet, find_clusters
from bids_rsa.core.inference.condition_null import (
    ConditionTest,
    condition_test,
    smallest_condition_p,
)
from bids_rsa.core.inference.correct import (
    count_p,
    false_discovery_q,
    familywise_p,
    voxels_needed_at_floor,
)
from bids_rsa.core.inference.design import (
    Design,
    one_sample_design,
    slope_design,
    two_sample_design,
)
from bids_rsa.core.inference.lattice import grid_adjacency
from bids_rsa.core.inference.observed import Observed, little_spread, observe
from bids_rsa.core.inference.permute import Null, NullState, permutation_null
from bids_rsa.core.inference.plan import Plan, prepare_test
from bids_rsa.core.inference.relabel import (
    Relabelings,
    draw_relabelings,
    n_distinct,
    smallest_p,
    smallest_possible_p,
)
from bids_rsa.core.inference.resolution import score_resolution
from bids_rsa.core.inference.stelzer import StelzerTest, draws_needed, stelzer_test
from bids_rsa.core.inference.tfce import tfce
from bids_rsa.core.inference.zscore import t_to_z

__all__ = [
    "Adjacency",
    "ClusterSet",
    "ConditionTest",
    "Design",
    "Null",
    "NullState",
    "Observed",
    "Plan",
    "Relabelings",
    "StelzerTest",
    "condition_test",
    "count_p",
    "draw_relabelings",
    "draws_needed",
    "false_discovery_q",
    "familywise_p",
    "find_clusters",
    "grid_adjacency",
    "joined",
    "little_spread",
    "mesh_adjacency",
    "n_distinct",
    "observe",
    "one_sample_design",
    "permutation_null",
    "prepare_test",
    "score_resolution",
    "slope_design",
    "smallest_condition_p",
    "smallest_p",
    "smallest_possible_p",
    "stelzer_test",
    "t_to_z",
    "tfce",
    "two_sample_design",
    "voxels_needed_at_floor",
]
