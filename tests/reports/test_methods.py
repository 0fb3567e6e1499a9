"""The methods text says what the sidecars say, and nothing else."""

import json
import re

import pytest

from bids_rsa.reports.designs import DESIGN_COLUMNS, design_rows, design_sentences
from bids_rsa.reports.methods import methods_text
from bids_rsa.reports.references import _all, bibtex, cited_keys, with_names
from bids_rsa.spaces.ribbon import RULE

NUMBER = re.compile(r"(?<![\w@])-?\d+(?:\.\d+)*(?:e-?\d+)?")


def numbers_in(value):
    """All numbers of a sidecar, also those within texts, and the lengths of its lists."""
    found = set()
    if isinstance(value, dict):
        found |= {str(len(value))}
        for key, item in value.items():
            found |= set(NUMBER.findall(str(key))) | numbers_in(item)
    elif isinstance(value, list):
        found |= {str(len(value))}
        for item in value:
            found |= numbers_in(item)
    elif isinstance(value, float) and value.is_integer():
        found.add(str(int(value)))
    elif value is not None and not isinstance(value, bool):
        found |= set(NUMBER.findall(str(value)))
    return found


@pytest.fixture(scope="module")
def sidecars(results):
    """Those of the participants' score maps, and one of each group test."""
    maps = sorted(results.glob("sub-*/func/*_stat-spearman_*.json"))
    tests = sorted(results.glob("group/*_stat-t_*.json"))
    return tuple([json.loads(path.read_text()) for path in paths] for paths in (maps, tests))


def test_every_number_stands_in_a_sidecar(sidecars):
    maps, tests = sidecars
    text = re.sub(r"\[@[^]]*\]", "", methods_text(maps, tests))
    known = numbers_in([*maps, *tests])
    words = re.sub(r"\(1 minus Pearson's correlation\)", "", text)  # a definition
    found = NUMBER.findall(words)
    assert len(found) > 15
    assert [number for number in found if number not in known] == []


def test_the_text_follows_the_sidecars(sidecars):
    maps, _ = sidecars
    changes = {"SearchlightRadius": 7.5, "Folds": "runs", "Dissimilarity": "sqeuclidean"}
    text = methods_text([{**one, **changes} for one in maps])
    assert "7.5 mm" in text
    assert "walther2016" in text
    # the correlation distance has no unbiased estimate
    assert "walther2016" not in methods_text([{**one, "Folds": "runs"} for one in maps])
    assert "walther2016" not in methods_text(maps)


IMAGES = {"Method": "shrinkage", "Source": "images"}


@pytest.mark.parametrize(
    ("dissimilarity", "noise", "wanted"),
    [
        ("crossnobis", {"Method": "full", "Source": "residuals", "FoldsHeldOut": False},
         "over pairs of folds and unbiased"),
        ("crossnobis", {**IMAGES, "FoldsHeldOut": True}, "over pairs of folds and unbiased"),
        ("crossnobis", {**IMAGES, "FoldsHeldOut": False}, "but biased upwards by noise"),
        ("euclidean", {**IMAGES, "FoldsHeldOut": False}, "but biased upwards by noise"),
        ("sqeuclidean", None, "over pairs of folds and unbiased"),
        ("euclidean", None, "the signed root of the unbiased squared distance"),
    ],
)  # fmt: skip
def test_distances_are_called_unbiased_only_where_they_are(sidecars, dissimilarity, noise, wanted):
    maps, _ = sidecars
    keys = {"Folds": "runs", "Dissimilarity": dissimilarity} | (
        {"NoiseNormalization": noise} if noise else {}
    )
    text = methods_text([{**one, **keys} for one in maps])
    assert wanted in text
    assert "walther2016" in text
    assert ("unbiased" in text) == ("unbiased" in wanted)
    assert ("signed root" in text) == (dissimilarity == "euclidean")


def test_it_says_what_is_not_known(sidecars):
    maps, _ = sidecars
    assert "Not known" in methods_text(maps)
    assert "number of trials" in methods_text(maps)
    told = [{**one, "TrialsPerCondition": {"a": 4}} for one in maps]
    assert "number of trials" not in methods_text(told)


def test_every_cited_key_is_in_the_bibliography_and_nothing_else(results):
    text = (results / "logs/CITATION.md").read_text()
    entries = re.findall(r"^@\w+\{(\w+),", (results / "logs/CITATION.bib").read_text(), re.M)
    assert sorted(entries) == sorted(cited_keys(text))
    assert len(entries) > 8


def test_the_page_and_the_file_hold_the_same_text(results, sidecars):
    text = (results / "logs/CITATION.md").read_text()
    within = [
        json.loads(path.read_text())
        for stat in ("spearmanP", "reliability")
        for path in results.glob(f"sub-*/func/*_stat-{stat}_*.json")
    ]
    ceilings = [json.loads(path.read_text()) for path in results.glob("group/*_stat-ceiling*.json")]
    assert methods_text(*sidecars, others=within, ceilings=ceilings) in text
    assert "20 permutations" in text and "odd and even runs" in text


def test_every_reference_has_what_a_reader_needs():
    for entry in _all().values():
        assert {"author", "title", "doi"} <= entry.fields.keys()
        assert entry.fields["doi"].startswith("10.")
        assert "{" not in entry.authors
        assert bibtex(f"[@{entry.key}]") == entry.bibtex
    assert (
        with_names("x [@nili2014; @smith2009].") == "x (Nili et al., 2014; Smith & Nichols, 2009)."
    )


def test_tests_done_in_the_same_way_share_a_paragraph(sidecars):
    _, tests = sidecars
    paragraphs = methods_text((), tests).split("\n\n")
    (group,) = [one for one in paragraphs if one.startswith("At the group level")]
    for test in tests:
        kind, _, score = test["Test"].partition(": ")
        assert f"{kind}s." in group
        assert group.count(score) == 2  # what was tested, what was found
    assert group.count("sign flips") == 1
    other = [{**tests[0], "Alpha": 0.01}, *tests[1:]]
    text = methods_text((), other)
    assert text.count("At the group level") == 2
    assert text.count("Inference generalises over participants") == 1


def test_p_of_grayordinates_are_said_to_be_multiplied_by_two(sidecars):
    _, tests = sidecars
    both = [{**one, "PartsCorrectedFor": 2} for one in tests]
    said = "separately in the cortex and below it, with p multiplied by 2"
    assert said in methods_text((), both)
    assert said not in methods_text((), tests)
    for other in ("maxt", "fdr"):  # these have one correction for all grayordinates
        assert said not in methods_text((), [{**one, "PrimaryMethod": other} for one in both])


def test_a_searchlight_on_a_surface_is_not_a_sphere(sidecars):
    maps, _ = sidecars
    keys = {"SurfaceGeometry": "x", "Hemisphere": "L"}
    text = methods_text([{**one, **keys} for one in maps])
    assert "vertices of the cortical surface" in text
    ribbon = methods_text([{**one, **keys, "SearchlightRule": RULE} for one in maps])
    assert "voxels between white and pial surface" in ribbon
    assert "spherical" not in text
    assert "spherical" in methods_text(maps)


def test_volumes_surfaces_and_grayordinates_have_a_paragraph_each(sidecars):
    maps, _ = sidecars
    surface = {"SurfaceGeometry": "x", "SearchlightRadius": 8.5, "CentersEvaluated": 4321}
    kinds = {
        "spherical searchlight": {},
        "vertices of the cortical surface": {**surface, "Hemisphere": "L"},
        "centred on grayordinates": surface,
        "between white and pial": {**surface, "Hemisphere": "L", "SearchlightRule": RULE},
    }
    text = methods_text([{**one, **keys} for keys in kinds.values() for one in maps])
    paragraphs = text.split("\n\n")
    for words, keys in kinds.items():
        alone = methods_text([{**one, **keys} for one in maps]).split("\n\n")
        (wanted,) = [one for one in alone if words in one]
        assert paragraphs.count(wanted) == 1
        assert ("4321" in wanted or "4,321" in wanted) == bool(keys)


def test_confounds_are_named_without_cosines_and_spikes():
    names = ["rot_x", "trans_y", "cosine00", "cosine01", "spike_000"]
    design = {
        "Estimator": "OLS", "HRF": "spm", "RepetitionTime": 2.0, "DegreesOfFreedom": 75,
        "HighPass": {"CutoffSeconds": None}, "Confounds": names, "SpikeVolumes": [0],
    }  # fmt: skip
    said = " ".join(design_sentences([design, design]))
    assert "2 confounds (rot_x, trans_y)" in said
    assert "cosine regressors of the confounds table (2 per run)" in said
    assert "Censored volumes, with one regressor each: 1 per run" in said
    assert "SPM's canonical haemodynamic response function" in said
    (row,) = design_rows({"sub-01_run-1": design | {"EventsPerCondition": {"face": 3}}})
    assert row[DESIGN_COLUMNS.index("confounds")] == "2"


def test_permutations_and_reliability_are_told(sidecars):
    maps, _ = sidecars
    assert "Within each participant" not in methods_text(maps)
    permuted = {"Relabelings": {"Used": 321, "Distinct": 840}, "RandomSeed": 7}
    text = methods_text(maps, others=[permuted, {"ReliabilityComparison": "pearson"}])
    assert "321 permutations, random seed 7" in text and "maximum over centres" in text
    assert "odd and even runs using Pearson's correlation" in text
    folded = {"ReliabilityComparison": "rho-a", "Folds": "runs"}
    assert "odd and even folds using" in methods_text(maps, others=[folded])


def test_noise_is_told_with_its_degrees_of_freedom(sidecars):
    noise = {
        "Method": "shrinkage", "Source": "residuals", "DegreesOfFreedom": 372.0,
        "ShrinkageLambda": {"Min": 0.1, "Median": 0.254, "Max": 0.9},
    }  # fmt: skip
    keys = {"NoiseNormalization": noise, "Dissimilarity": "crossnobis", "Folds": "runs"}
    runs = {"FoldRuns": ["run-1", "run-2", "run-3", "run-4"]}
    first, *others = sidecars[0]  # maps of p do not say the runs
    text = methods_text([{**first, **keys, **runs}, *({**one, **keys} for one in others)])
    assert "372 degrees of freedom, and the median shrinkage was 0.25" in text
    assert "over all pairs of 4 folds and unbiased" in text
    assert text.count("and unbiased") == 1


def test_models_are_quoted_and_single_images_are_no_mean(sidecars):
    maps, _ = sidecars
    assert f'model RDMs "{maps[0]["Model"]["Name"]}"' in methods_text(maps)
    one = {"ImagesPerCondition": {"a": 1, "b": 1}, "RunsPerCondition": {"a": 1, "b": 1}}
    assert "single image" in methods_text([{**image, **one} for image in maps])


REGIONS = {
    "Regions": "spheres", "Test": "mean against 0", "Tail": "greater", "Alpha": 0.05,
    "Null": "signs of participants' scores are flipped", "RelabelingsExhaustive": True,
    "Permutations": 10000, "RandomSeed": 3, "FWEOver": "regions", "CeilingDefinition": "x",
    "Participants": ["sub-01", "sub-02", "sub-03"], "Comparison": "spearman",
}  # fmt: skip


def test_group_tests_of_regions_and_noise_ceilings_are_told():
    both = [REGIONS, REGIONS | {"Comparison": "rho-a", "CeilingDefinition": "none"}]
    text = methods_text((), of_regions=both)
    assert text.count("At the group level") == 1
    assert "spearman and rho-a scores of the regions (spheres)" in text
    assert "3 participants (mean against 0)" in text
    assert "all sign flips" in text and "maximum over regions" in text
    assert "Noise ceilings" in text and "not ranked again (spearman)." in text
    assert "10000" not in text and "(rho-a)" not in text
    drawn = methods_text((), of_regions=[REGIONS | {"RelabelingsExhaustive": False}])
    assert "10000 random sign flips" in drawn and "seed 3" in drawn
    maps = methods_text((), ceilings=[{"CeilingDefinition": "x", "Comparison": "cosine"}])
    assert "mean of RDMs of unit norm (cosine)" in maps
    assert "Noise ceilings" not in methods_text(())


def test_permutations_within_regions_are_told():
    own = {"RegionNames": [[1, "V1"]], "ConditionPermutations": 77, "RandomSeed": 5}
    text = methods_text([own | {"Regions": {"Name": "A"}}])
    assert "at most 77 permutations, random seed 5" in text


@pytest.mark.parametrize(
    ("comparison", "source"),
    [("rho-a", "@schutt2023"), ("whitened-cosine", "@diedrichsen2021"), ("spearman", "")],
)
def test_comparisons_are_cited(sidecars, comparison, source):
    text = methods_text([{**one, "Comparison": comparison} for one in sidecars[0]])
    assert source in text and "[@nili2014" in text
    assert "schutt2023" in _all() and ("schutt2023" in text) == (comparison == "rho-a")


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ({"Centering": "conditions"}, "The mean pattern over conditions was subtracted"),
        ({"NuisanceModels": ["loud"]}, "loud was included in the joint fits as a model of no"),
        ({"NuisanceModels": ["loud", "long"]}, "loud and long were included"),
        ({"Standardize": True}, "were z-scored before the fit"),
        ({"ExcludedCells": {"File": "cells.tsv"}}, "Pairs of conditions marked in cells.tsv"),
        ({"ExcludeWithin": "run"}, "from the same single run were left out"),
        ({"Comparison": "whitened-cosine", "ConditionCovariance": "design"}, "design matrices"),
        ({"Comparison": "whitened-pearson"}, "independent and equally noisy conditions"),
        ({"Comparison": "whitened-cosine", "ConditionCovariance": {"File": "v"}}, "from a table"),
    ],
)
def test_what_else_goes_into_a_comparison_is_told(sidecars, keys, wanted):
    maps, _ = sidecars
    assert wanted not in methods_text(maps)
    assert wanted in methods_text([{**one, **keys} for one in maps])


def test_participants_left_out_are_listed_by_reason(sidecars):
    maps, tests = sidecars
    out = {"sub-07": "no map", "sub-08": "not asked for", "sub-09": "no map"}
    text = methods_text(maps, [{**one, "LeftOut": out} for one in tests])
    assert "left out: sub-07 and sub-09 (no map); sub-08 (not asked for)." in text
