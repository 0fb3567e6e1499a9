"""What a group analysis says to its reader: warnings, and what the inference means."""

from collections.abc import Sequence

from bids_rsa.group_level.records import GroupTest
from bids_rsa.group_level.results import GroupResult

MEANING = (
    "The inference generalises over subjects, not over conditions. A significant centre says that "
    "its patch, up to one radius away, holds information; not that the centre itself does."
)
ASSUMPTION = (
    "Sign flips assume scores that are symmetric about 0 where there is no effect. Unequal "
    "repeats, missing runs or a design tied to the model break that, and the test cannot notice."
)
SKEWED = (
    "--tail {tail} on scores of one sample: without an effect the scores of a categorical model "
    "are skewed, not symmetric, and negative ones come out too often (simulated family-wise error "
    "up to .26 at .05 for less)."
)
FEW_SUBJECTS = 6


def test_warnings(test: GroupTest, floor: float) -> tuple[str, ...]:
    """List what a reader must know before believing a test."""
    alpha, n = test.settings.alpha, len(test.subjects)
    found = []
    if n < FEW_SUBJECTS:
        found.append(f"Only {n} subjects: fewer than {FEW_SUBJECTS} say little about others.")
    if floor > alpha:
        found.append(
            f"The smallest p that {n} subjects and these permutations can give is {floor:.3g}, "
            f"above alpha {alpha:g}: nothing can become significant."
        )
    if test.kind == "one-sample" and test.tail != "greater":
        found.append(SKEWED.format(tail=test.tail))
    return tuple(found)


def tried(tests: Sequence[GroupTest]) -> str:
    """State how many models, comparisons and tails one call tried."""
    models = sorted({test.desc for test in tests})
    comparisons = sorted({test.first.comparison for test in tests})
    tails = sorted({test.tail for test in tests})
    corrected = _corrected_over(tests)
    return (
        f"This call tried {len(tests)} map{'s' if len(tests) > 1 else ''}: "
        f"{len(models)} model{'s' if len(models) > 1 else ''} ({', '.join(models)}), "
        f"{len(comparisons)} comparison{'s' if len(comparisons) > 1 else ''} "
        f"({', '.join(comparisons)}), tail {', '.join(tails)}; {corrected}."
    )


def _corrected_over(tests: Sequence[GroupTest]) -> str:
    """Say what the family-wise p values of a call hold over."""
    if tests[0].settings.fwe_over == "models":
        return "the family-wise p values hold over all of them (--fwe-over models)"
    if len(tests) == 1:
        return "its family-wise p values hold over its voxels"
    return "each map is corrected for its own voxels only (--fwe-over models corrects over all)"


def fdr_floor(test: GroupTest, result: GroupResult) -> str:
    """Say how many voxels FDR needs at its floor."""
    return (
        f"FDR: {result.voxels_needed_fdr} of {len(result.significant)} voxels must reach the "
        f"smallest p ({result.smallest_p:.3g}) before any is significant at "
        f"{test.settings.alpha:g}."
    )
