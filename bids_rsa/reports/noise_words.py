"""What the methods text says about noise normalisation."""

from collections.abc import Iterator, Sequence

from bids_rsa.reports.sidecar_values import Sidecar, distinct, location_of, locations_of, span

METHODS = {
    "diagonal": "the variance of each {one}'s noise [@walther2016]",
    "shrinkage": (
        "the noise covariance of the patch's {several}, shrunk towards its diagonal "
        "[@walther2016; @schafer2005]"
    ),
    "shrinkage-identity": (
        "the noise covariance of the patch's {several}, shrunk towards a multiple of the identity "
        "[@walther2016; @ledoit2004]"
    ),
    "full": "the noise covariance of the patch's {several} [@walther2016]",
}
SOURCES = {
    "residuals": "from the residuals of the first-level models",
    "images": "from the deviations of images from the mean of their condition",
}


def noise_sentences(maps: Sequence[Sidecar]) -> Iterator[str]:
    """Say by what patterns were normalised, and where it was estimated; each thing once."""
    found = distinct(maps, "NoiseNormalization")
    words = {"one": location_of(maps), "several": locations_of(maps)}
    sentences = [
        f"Patterns were normalised by "
        f"{METHODS.get(noise['Method'], noise['Method']).format(**words)}, estimated "
        f"{SOURCES.get(noise.get('Source', ''), 'from the data')}."
        for noise in found
    ]
    yield from dict.fromkeys(sentences)
    if any(noise.get("RunMeansSubtracted") for noise in found):
        yield "What all images of a run share was not counted as noise, as patterns were centred."
    if any(noise.get("FoldsHeldOut") for noise in found):
        yield "Each fold was weighted by the noise of the other folds' images alone."
    freedom = [noise["DegreesOfFreedom"] for noise in found if noise.get("DegreesOfFreedom")]
    shrinkage = [
        round(noise["ShrinkageLambda"]["Median"], 2)
        for noise in found
        if noise.get("ShrinkageLambda")
    ]
    if freedom:
        shrunk = f", and the median shrinkage was {span(shrinkage)}" if shrinkage else ""
        yield f"The noise estimates had {span(freedom)} degrees of freedom{shrunk}."


def pools_noise(sidecar: Sidecar) -> bool:
    """Tell whether folds were weighted by noise that was estimated from their own images."""
    noise = sidecar.get("NoiseNormalization") or {}
    return noise.get("Source") == "images" and not noise.get("FoldsHeldOut")
