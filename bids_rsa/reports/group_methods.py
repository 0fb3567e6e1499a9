"""The methods text of one group test."""

from collections.abc import Iterator

from bids_rsa.reports.sidecar_values import Sidecar, number

TRANSFORMS = {"fisher": "Fisher's z of the scores", "none": "The scores"}
PRIMARY = {
    "tfce": "the maximum of threshold-free cluster enhancement [@smith2009]",
    "maxt": "the maximum of the statistic over voxels",
    "cluster-mass": "the maximum cluster mass",
    "cluster-size": "the maximum cluster size",
}
TAILS = {"greater": "one-sided, greater", "less": "one-sided, less", "two-sided": "two-sided"}


def group_paragraph(test: Sidecar) -> str:
    """Write the paragraph of a group test from a sidecar of its maps."""
    return " ".join(_sentences(test))


def _sentences(test: Sidecar) -> Iterator[str]:
    """Say what was tested, how, and what was found."""
    what = str(test.get("Test", "test"))
    transform = TRANSFORMS.get(str(test.get("Transform")), "The scores")
    smoothing = test.get("SmoothingFWHM")
    smoothed = f", smoothed with a kernel of {number(smoothing)} mm FWHM," if smoothing else ""
    yield f"Group level: {what}. {transform}{smoothed} entered the test."
    left_out = test.get("LeftOut") or {}
    if left_out:
        why = "; ".join(f"{subject}: {reason}" for subject, reason in left_out.items())
        yield f"Participants left out: {why}."
    if test.get("Covariates"):
        yield f"Covariates: {', '.join(test['Covariates'])}."
    if "VoxelsTested" in test:
        yield f"{number(test['VoxelsTested'])} voxels were tested."
    yield from _permutations(test)
    yield from _correction(test)
    if test.get("Interpretation"):
        yield str(test["Interpretation"])


def _permutations(test: Sidecar) -> Iterator[str]:
    """Say how the null distribution was made."""
    if "RelabelingsUsed" not in test:
        return
    n = number(test["RelabelingsUsed"])
    if test.get("Null") == "conditions":
        yield (
            f"The null distribution came from {n} null maps of each participant, scores of the "
            "model with its conditions permuted, in the same order in all participants."
        )
        return
    if test.get("Null") == "stelzer":
        seed = f" (random seed {number(test['RandomSeed'])})" if "RandomSeed" in test else ""
        yield (
            f"The null distribution came from {n} draws{seed}, each the mean of one of "
            f"{number(test['NullMapsPerMap'])} null maps of each participant, scores of the model "
            "with its conditions permuted [@stelzer2013]."
        )
        return
    flips = str(test.get("Test", "")).startswith(("one-sample", "paired"))
    how = "sign flips" if flips else "permutations of the participants"
    if test.get("RelabelingsExhaustive"):
        drawn = f"all {n} {how}"
    else:
        seed = f" (random seed {number(test['RandomSeed'])})" if "RandomSeed" in test else ""
        drawn = f"{n} random {how}{seed}, the observed labelling counted in [@phipson2010]"
    yield f"The null distribution came from {drawn} [@nichols2002; @winkler2014]."


def _correction(test: Sidecar) -> Iterator[str]:
    """Say how p values were corrected, and what was significant."""
    primary, alpha = str(test.get("PrimaryMethod", "")), test.get("Alpha")
    if alpha is None:
        return
    tail = TAILS.get(str(test.get("Tail")), "")
    if primary == "fdr":
        how = "the false discovery rate [@benjamini1995]"
    elif primary == "cluster-fdr":
        how = "the false discovery rate over clusters, by their size [@benjamini1995]"
    else:
        over = " over all maps of this call" if isinstance(test.get("FWEOver"), dict) else ""
        how = f"the family-wise error by {PRIMARY.get(primary, primary)}{over}"
    forming = ""
    if primary.startswith("cluster") and "ClusterFormingP" in test:
        forming = f" Clusters were formed at p < {number(test['ClusterFormingP'])}."
    near = number(test["Connectivity"]) if "Connectivity" in test else ""
    yield (
        f"p values ({tail}) were corrected for {how} and called significant at "
        f"alpha = {number(alpha)}.{forming}"
        + (
            f" Voxels were taken as neighbours by {near}-connectivity."
            if near and primary != "maxt"
            else ""
        )
    )
    if "VoxelsSignificant" in test:
        n = int(test["VoxelsSignificant"])
        yield f"{number(n)} voxel{'s were' if n != 1 else ' was'} significant."
