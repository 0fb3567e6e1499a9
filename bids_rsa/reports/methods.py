"""The methods text: sentences made from sidecars alone, which a methods section can take over."""

from collections.abc import Iterator, Sequence
from typing import Any

from bids_rsa.core.comparison.table import COMPARISONS
from bids_rsa.core.dissimilarity.table import DISSIMILARITIES, find_dissimilarity
from bids_rsa.reports.designs import design_sentences
from bids_rsa.reports.group_methods import group_paragraph
from bids_rsa.reports.noise_words import noise_sentences
from bids_rsa.reports.sidecar_values import (
    Sidecar,
    counts,
    distinct,
    joined,
    number,
    span,
    versions,
)

STATISTICS = {
    "effect": "effect estimates (regression coefficients)",
    "t": "t values",
    "z": "z values",
}
LIBRARIES = {
    "nipype": ("Nipype", "gorgolewski2011"),
    "pybids": ("PyBIDS", "yarkoni2019"),
    "nibabel": ("NiBabel", "nibabel"),
    "nilearn": ("Nilearn", "abraham2014"),
    "numpy": ("NumPy", "harris2020"),
    "scipy": ("SciPy", "virtanen2020"),
    "numba": ("Numba", "lam2015"),
}
MISSING_RUNS = {
    "complete": "Only runs that hold every condition were used.",
    "average": "Conditions missing from some runs were averaged over the runs that hold them.",
}
SHORT_LIST = 12
LICENCE = (
    "This text was written by bids_rsa from the sidecars of its results. It is released under the "
    "CC0 license: it may be copied unchanged into a manuscript."
)


def methods_text(
    maps: Sequence[Sidecar], tests: Sequence[Sidecar] = (), designs: Sequence[Sidecar] = ()
) -> str:
    """Write the methods of an analysis.

    Parameters
    ----------
    maps : sequence of mapping
        Sidecars of participants' score maps.
    tests : sequence of mapping
        A sidecar of each group test.
    designs : sequence of mapping
        Sidecars of the designs of runs that were estimated here.

    Returns
    -------
    str
        Markdown: paragraphs with citations such as ``[@nili2014]``. Every number in it stands in
        a sidecar, or counts a list that stands there.
    """
    paragraphs = [
        _paragraph(design_sentences(designs)),
        _paragraph(_patterns(maps)),
        _paragraph(_searchlight(maps)),
        _paragraph(_regions(maps)),
        _paragraph(_comparison(maps)),
        *(group_paragraph(test) for test in tests),
        _paragraph(_tried(tests)),
        _paragraph(_software([*maps, *tests])),
        _paragraph(_not_known(maps, designs)),
    ]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _paragraph(sentences: Iterator[str]) -> str:
    """Join sentences."""
    return " ".join(sentence for sentence in sentences if sentence)


def _patterns(maps: Sequence[Sidecar]) -> Iterator[str]:
    """Say what the patterns were made of."""
    statistics = [name for names in distinct(maps, "InputStatistic") for name in names]
    words = [STATISTICS.get(name, f"{name} images") for name in dict.fromkeys(statistics)]
    yield (
        "Representational similarity analysis [@kriegeskorte2008] was based on "
        f"{joined(words) or 'images'} of {_conditions(maps)}."
    )
    images, runs = counts(maps, "ImagesPerCondition"), counts(maps, "RunsPerCondition")
    if images:
        from_runs = f" from {span(runs)} run{'s' * (set(runs) != {1})}" if runs else ""
        yield (
            f"The pattern of a condition was the mean of {span(images)} "
            f"image{'s' * (set(images) != {1})}{from_runs}{_within_folds(maps)}."
        )
    if "variance" in distinct(maps, "Normalization"):
        yield "Each image was divided by the square root of its variance image, voxel by voxel."
    for value in distinct(maps, "MissingRuns"):
        yield MISSING_RUNS.get(value, "")


def _conditions(maps: Sequence[Sidecar]) -> str:
    """Count the conditions, and name them where they are few."""
    lists = distinct(maps, "Conditions")
    n = span(len(names) for names in lists)
    if len(lists) == 1 and len(lists[0]) <= SHORT_LIST:
        return f"{n} conditions ({', '.join(lists[0])})"
    return f"{n} conditions"


def _within_folds(maps: Sequence[Sidecar]) -> str:
    """Say that means are taken within folds."""
    folds = [value for value in distinct(maps, "Folds") if value != "none"]
    return ", taken within each fold for cross-validation" if folds else ""


def _searchlight(maps: Sequence[Sidecar]) -> Iterator[str]:
    """Say what a patch was, and where patches were."""
    radii = distinct(maps, "SearchlightRadius")
    if not radii:
        return
    sizes = distinct(maps, "PatchSize")
    brain = [mask["Voxels"] for mask in distinct(maps, "BrainMask")]
    roi = [mask["Voxels"] for mask in distinct(maps, "ROIMask") if mask.get("Files")]
    inside = f"brain mask ({span(brain)} voxels)" if any(brain) else "field of view"
    centers = f", restricted to a region of interest ({span(roi)} voxels)" if roi else ""
    within = f"{joined([number(radius) for radius in radii])} mm from it"
    most = distinct(maps, "MaxPatchSize")
    nearest = (
        f"the up to {joined([number(n) for n in most])} nearest voxels" if most else "the voxels"
    )
    yield (
        f"A spherical searchlight [@kriegeskorte2006] was centred on every voxel inside the "
        f"{inside}{centers}. The patch of a centre held {nearest} there whose "
        f"centres lay at most {within}"
        + (
            f": {span(s['Min'] for s in sizes)} to {span(s['Max'] for s in sizes)} voxels, median "
            f"{span(s['Median'] for s in sizes)}."
            if sizes
            else "."
        )
    )
    evaluated = distinct(maps, "CentersEvaluated")
    if evaluated:
        smallest = joined([number(n) for n in distinct(maps, "MinVoxels")])
        yield (
            f"Centres with fewer than {smallest} voxels in their patch were left out; "
            f"{span(evaluated)} centres{_per_participant(evaluated)} remained."
        )
    undefined = distinct(maps, "CentersUndefined")
    if any(undefined):
        yield f"The score was undefined at {span(undefined)} of them."


def _regions(maps: Sequence[Sidecar]) -> Iterator[str]:
    """Say which regions there were."""
    sets = [one for one in maps if "RegionNames" in one and isinstance(one.get("Regions"), dict)]
    for name in dict.fromkeys(str(one["Regions"].get("Name", "")) for one in sets):
        n = span(len(one["RegionNames"]) for one in sets if one["Regions"].get("Name", "") == name)
        yield (
            f"Regions of interest ({name}, {n}) were analysed as one patch each: all voxels of a "
            "region inside the images and the masks."
        )


def _per_participant(values: Sequence[Any]) -> str:
    """Say that a number differs between participants."""
    return " (depending on participant and analysis)" if len(values) > 1 else ""


def _comparison(maps: Sequence[Sidecar]) -> Iterator[str]:
    """Say how RDMs were made and compared with the models."""
    names = distinct(maps, "Dissimilarity")
    if not names:
        return
    how = _cross_validation(maps)
    yield from noise_sentences(maps)
    yield (
        "In each patch, the representational dissimilarity matrix (RDM) held "
        f"{joined([_distance(name) for name in names])} between "
        f"the patterns of each two conditions{how}."
    )
    models = list(dict.fromkeys(one["Name"] for one in distinct(maps, "Model") if "SHA256" in one))
    cells = distinct(maps, "CellsUsed")
    of_cells = f" over {span(cells)} pairs of conditions" if cells else ""
    yield (
        f"It was compared with the model RDM{'s' * (len(models) != 1)} {joined(models)} by "
        f"{joined([_measure(name) for name in distinct(maps, 'Comparison')])}{of_cells} "
        "[@nili2014]."
    )
    if any(distinct(maps, "IgnoreNaN")):
        yield "Missing values were left out pair by pair."


def _cross_validation(maps: Sequence[Sidecar]) -> str:
    """Say how distances were cross-validated, if they were."""
    crossed = [one for one in maps if one.get("Folds", "none") != "none"]
    if not crossed:
        return ", without cross-validation"
    names, params = distinct(crossed, "Dissimilarity"), crossed[0].get("DissimilarityParameters")
    if all(find_dissimilarity(name).is_unbiased(params or {}) for name in names):
        return ", cross-validated over pairs of folds and unbiased [@walther2016]"
    return ", averaged over folds, each compared with the mean of the others"


def _measure(name: str) -> str:
    """Name a comparison in words."""
    entry = COMPARISONS.get(name)
    title = entry.title if entry else name
    return title if title.startswith(("Spearman", "Pearson", "Kendall")) else f"the {title}"


def _tried(tests: Sequence[Sidecar]) -> Iterator[str]:
    """Say how many tests were tried."""
    yield from distinct(tests, "Tried")


def _software(sidecars: Sequence[Sidecar]) -> Iterator[str]:
    """Name the programs and their versions."""
    found = versions(sidecars)
    own = found.get("bids_rsa", "of an unknown version")
    used = [
        f"{name} {found[key]} [@{cited}]"
        for key, (name, cited) in LIBRARIES.items()
        if key in found
    ]
    on_top = f" It uses {joined(used)}." if used else ""
    yield (
        f"The analysis was run with bids_rsa {own}, a BIDS App [@gorgolewski2017] whose inputs and "
        f"outputs follow the Brain Imaging Data Structure [@gorgolewski2016].{on_top}"
    )


def _not_known(maps: Sequence[Sidecar], designs: Sequence[Sidecar]) -> Iterator[str]:
    """Say what the sidecars do not tell and a methods section needs."""
    missing = [item for item, known in unknown_items(maps, designs) if not known]
    if missing:
        yield f"Not known to bids_rsa, and to be added by the authors: {'; '.join(missing)}."


def unknown_items(maps: Sequence[Sidecar], designs: Sequence[Sidecar]) -> list[tuple[str, bool]]:
    """List what a reader needs and this program may not know, and whether it does."""
    trials = distinct(maps, "TrialsPerCondition")
    return [
        ("acquisition and preprocessing of the images", bool(distinct(maps, "Preprocessing"))),
        (
            "the model by which the condition images were estimated",
            bool(designs),
        ),
        ("spatial smoothing of the condition images", bool(distinct(maps, "InputSmoothingFWHM"))),
        ("the number of trials behind each condition", bool(trials) and "unknown" not in trials),
    ]


def _distance(name: str) -> str:
    """Return what a dissimilarity is called in a sentence."""
    entry = DISSIMILARITIES.get(name)
    return (entry.title if entry else "") or f"the {name} distance"
