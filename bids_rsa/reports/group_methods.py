"""The methods text of the group tests."""

from collections.abc import Iterator, Sequence

from bids_rsa.reports.sidecar_values import Sidecar, joined, number

PRIMARY = {
    "tfce": "the maximum of the statistic after threshold-free cluster enhancement [@smith2009]",
    "maxt": "the maximum of the statistic over {several}",
    "cluster-mass": "the maximum cluster mass",
    "cluster-size": "the maximum cluster size",
}
TAILS = {"greater": "one-sided, greater", "less": "one-sided, less", "two-sided": "two-sided"}


def group_paragraphs(tests: Sequence[Sidecar]) -> list[str]:
    """Write a paragraph for all group tests that were done in the same way.

    Parameters
    ----------
    tests : sequence of dict
        A sidecar of the maps of each test.

    Returns
    -------
    list of str
    """
    alike: dict[tuple[str, str], list[Sidecar]] = {}
    for test in tests:
        kind, _, _ = str(test.get("Test", "")).rpartition(": ")
        alike.setdefault((kind, " ".join(_method(test))), []).append(test)
    paragraphs = [_paragraph(kind, method, some) for (kind, method), some in alike.items()]
    if paragraphs:  # what all of them mean is said once
        meant = dict.fromkeys(
            str(one["Interpretation"]) for one in tests if "Interpretation" in one
        )
        paragraphs[-1] = " ".join([paragraphs[-1], *meant])
    return paragraphs


def _paragraph(kind: str, method: str, tests: Sequence[Sidecar]) -> str:
    """Name the tests, say how they were done and what was found."""
    scores = [str(test.get("Test", "")).rpartition(": ")[2] for test in tests]
    sentences = [
        f"At the group level, the {joined(scores)} {'was' if len(scores) == 1 else 'were'} "
        f"entered into a {kind}{'s' * (len(scores) != 1)}.",
        method,
    ]
    found = [
        f"{number(test['VoxelsSignificant'])} ({score})"
        for score, test in zip(scores, tests, strict=True)
        if "VoxelsSignificant" in test
    ]
    if found:
        sentences.append(f"Number of significant {_several(tests[0])}: {joined(found)}.")
    return " ".join(sentences)


def _several(test: Sidecar) -> str:
    """Say what was tested: voxels, vertices or grayordinates."""
    return str(test.get("Locations", "voxels"))


def _method(test: Sidecar) -> Iterator[str]:
    """Say how a test was done."""
    before = ["Fisher z-transformed"] if test.get("Transform") == "fisher" else []
    if smoothing := test.get("SmoothingFWHM"):
        how = f" ({test['SmoothingMethod']})" if test.get("SmoothingMethod") else ""
        before.append(f"smoothed with a kernel of {number(smoothing)} mm FWHM{how}")
    if before:
        yield f"Scores were first {joined(before)}."
    left_out = test.get("LeftOut") or {}
    reasons: dict[str, list[str]] = {}
    for subject, reason in left_out.items():
        reasons.setdefault(reason, []).append(subject)
    if reasons:
        why = "; ".join(f"{joined(people)} ({reason})" for reason, people in reasons.items())
        yield f"Participants left out: {why}."
    if test.get("Covariates"):
        yield f"The model included the covariates {joined(list(test['Covariates']))}."
    if "VoxelsTested" in test:
        yield f"{number(test['VoxelsTested'])} {_several(test)} were tested."
    yield from _permutations(test)
    yield from _correction(test)


def _permutations(test: Sidecar) -> Iterator[str]:
    """Say how the null distribution was made."""
    if "RelabelingsUsed" not in test:
        return
    n = number(test["RelabelingsUsed"])
    if test.get("Null") == "conditions":
        yield (
            f"The null distribution consisted of {n} null maps of each participant: scores of the "
            "model with permuted conditions, with the same permutations in all participants."
        )
        return
    if test.get("Null") == "stelzer":
        seed = f" (random seed {number(test['RandomSeed'])})" if "RandomSeed" in test else ""
        yield (
            f"The null distribution consisted of {n} draws{seed}, each the mean of one of "
            f"{number(test['NullMapsPerMap'])} null maps per participant: scores of the model "
            "with permuted conditions [@stelzer2013]."
        )
        return
    flips = str(test.get("Test", "")).startswith(("one-sample", "paired"))
    how = "sign flips" if flips else "permutations of the participants"
    if test.get("RelabelingsExhaustive"):
        drawn = f"all {n} {how}"
    else:
        seed = f" (random seed {number(test['RandomSeed'])})" if "RandomSeed" in test else ""
        drawn = f"{n} random {how}{seed}; the observed labelling was included [@phipson2010]"
    yield f"The null distribution was based on {drawn} [@nichols2002; @winkler2014]."


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
        largest = PRIMARY.get(primary, primary).format(several=_several(test))
        how = f"family-wise error using {largest}{over}{_parts(test)}"
    forming = ""
    if primary.startswith("cluster") and "ClusterFormingP" in test:
        forming = f" Clusters were formed at p < {number(test['ClusterFormingP'])}."
    near = _neighbors(test) if primary != "maxt" else ""
    yield (
        f"p values ({tail}) were corrected for {how}; the significance level was "
        f"{number(alpha)}.{forming}{near}"
    )


def _neighbors(test: Sidecar) -> str:
    """Say which voxels or vertices are neighbours, and how extent was measured on a surface."""
    near = test.get("Connectivity")
    voxels = "" if near is None else f" Neighbouring voxels were defined by {near}-connectivity."
    if _several(test) == "voxels":
        return voxels
    extent = " (TFCE with E = 1, H = 2)" if test.get("PrimaryMethod") == "tfce" else ""
    return (
        " Vertices that share an edge were neighbours, and extent on the cortical surface was "
        f"measured in mm2{extent}.{voxels}"
    )


def _parts(test: Sidecar) -> str:
    """Say that extents on and below the cortex were corrected separately; max-T needs none."""
    n_parts = test.get("PartsCorrectedFor")
    if not n_parts or test.get("PrimaryMethod") == "maxt":
        return ""
    return f", separately in the cortex and below it, with p multiplied by {number(n_parts)}"
