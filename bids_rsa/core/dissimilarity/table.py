"""The table of dissimilarities.

Light to import, for ``--help``: kernels are named by their numbers in `codes`.
"""

from collections.abc import Callable

from bids_rsa.core.dissimilarity import codes
from bids_rsa.core.dissimilarity.entry import Dissimilarity

__all__ = [
    "DEFAULT_DISSIMILARITY",
    "DISSIMILARITIES",
    "PER_VOXEL",
    "SQUARED_DISTANCE",
    "Dissimilarity",
    "Metric",
    "check_folds",
    "cross_validated_with_noise",
    "dissimilarities_of_features",
    "dissimilarities_with_noise",
    "find_dissimilarity",
    "needs_noise",
    "unbiased_dissimilarities",
    "without_root",
]

Metric = str | Callable[..., float]

DEFAULT_DISSIMILARITY = "correlation"
SQUARED_DISTANCE = "sqeuclidean"
# parameters with one entry per voxel
PER_VOXEL = ("w", "V")

DISSIMILARITIES: dict[str, Dissimilarity] = {
    entry.name: entry
    for entry in (
        Dissimilarity("braycurtis", degree=0, pair_code=codes.BRAYCURTIS),
        Dissimilarity("canberra", degree=0, upscale_power=1.0, pair_code=codes.CANBERRA),
        Dissimilarity(
            "chebyshev",
            "unit of the images",
            ("chebychev", "cheby", "cheb", "ch"),
            degree=1,
            pair_code=codes.CHEBYSHEV,
            of_differences=True,
        ),
        Dissimilarity(
            "cityblock",
            "unit of the images",
            ("cblock", "cb", "c"),
            degree=1,
            upscale_power=1.0,
            pair_code=codes.CITYBLOCK,
            of_differences=True,
        ),
        Dissimilarity(
            "correlation",
            "1 - r",
            ("co",),
            degree=0,
            min_voxels=3,
            constant_undefined=True,
            gram_code=codes.CORRELATION,
            noise_code=codes.CORRELATION,
            title="the correlation distance (1 minus Pearson's correlation)",
        ),
        Dissimilarity(
            "cosine",
            "1 - cosine",
            ("cos",),
            degree=0,
            min_voxels=2,
            gram_code=codes.COSINE,
            noise_code=codes.COSINE,
            title="the cosine distance",
        ),
        Dissimilarity(
            "crossnobis",
            "squared unit of the images, by noise variance where it is normalised",
            (),
            (),
            degree=2,
            unbiased_given=(),
            gram_code=codes.SQEUCLIDEAN,
            noise_code=codes.SQUARES_PER_VOXEL,
            per_voxel=True,
            needs_folds=True,
            of_differences=True,
            title="the crossnobis distance (cross-validated squared Mahalanobis distance)",
        ),
        Dissimilarity(
            "dice",
            pair_code=codes.DICE_OF_NUMBERS,
            weighted_pair_code=codes.DICE,
        ),
        Dissimilarity(
            "euclidean",
            "unit of the images",
            ("euclid", "eu", "e"),
            degree=1,
            unbiased_given=(),
            signed_root=True,
            upscale_power=0.5,
            pair_code=codes.SUM_OF_SQUARES,
            gram_code=codes.EUCLIDEAN,
            noise_code=codes.EUCLIDEAN,
            of_differences=True,
            title="the Euclidean distance",
        ),
        Dissimilarity("hamming", "", ("hamm", "ha", "h"), pair_code=codes.HAMMING),
        Dissimilarity("jaccard", "", ("jacc", "ja", "j"), pair_code=codes.JACCARD),
        Dissimilarity("jensenshannon", "", ("js",), (), degree=0, pair_code=codes.JENSENSHANNON),
        Dissimilarity(
            "mahalanobis",
            "",
            ("mahal", "mah"),
            ("VI",),
            degree=1,
            estimated="VI",
            unbiased_given=("VI",),
            noise_code=codes.SQUARES_PER_VOXEL,
            of_differences=True,
            title="the Mahalanobis distance",
        ),
        Dissimilarity("matching", pair_code=codes.HAMMING),
        Dissimilarity(
            "minkowski",
            "unit of the images",
            ("mi", "m", "pnorm"),
            ("w", "p"),
            degree=1,
            upscale_power=0.5,
            pair_code=codes.MINKOWSKI,
            of_differences=True,
        ),
        Dissimilarity("rogerstanimoto", pair_code=codes.ROGERSTANIMOTO),
        Dissimilarity("russellrao", pair_code=codes.RUSSELLRAO),
        Dissimilarity(
            "seuclidean",
            "",
            ("se", "s"),
            ("V",),
            degree=1,
            estimated="V",
            unbiased_given=("V",),
            upscale_power=0.5,
            pair_code=codes.SUM_OF_SQUARES,
            of_differences=True,
        ),
        Dissimilarity("sokalsneath", pair_code=codes.SOKALSNEATH),
        Dissimilarity(
            "sqeuclidean",
            "squared unit of the images",
            ("sqe", "sqeuclid"),
            degree=2,
            unbiased_given=(),
            upscale_power=1.0,
            gram_code=codes.SQEUCLIDEAN,
            noise_code=codes.SQEUCLIDEAN,
            of_differences=True,
            title="the squared Euclidean distance",
        ),
        Dissimilarity("yule", pair_code=codes.YULE),
    )
}
_BY_ALIAS = {alias: d for d in DISSIMILARITIES.values() for alias in (d.name, *d.aliases)}


def find_dissimilarity(metric: Metric) -> Dissimilarity:
    """Look a metric up; a callable is a dissimilarity of its own that takes any parameter.

    Raises
    ------
    ValueError
        An unknown name; the message lists the known ones.
    """
    if callable(metric):
        return Dissimilarity(getattr(metric, "__name__", "callable"))
    try:
        return _BY_ALIAS[str(metric).lower()]
    except KeyError:
        known = ", ".join(DISSIMILARITIES)
        raise ValueError(f"unknown dissimilarity '{metric}'; known: {known}") from None


def without_root(known: Dissimilarity) -> Dissimilarity:
    """Return what is averaged over folds: roots are taken of the mean."""
    return DISSIMILARITIES[SQUARED_DISTANCE] if known.signed_root else known


def unbiased_dissimilarities() -> list[str]:
    """Name those that, cross-validated, are unbiased without further parameters."""
    return [entry.name for entry in DISSIMILARITIES.values() if entry.is_unbiased({})]


def dissimilarities_of_features() -> list[str]:
    """Name those for any number of items and features, of one fold and without a covariance."""
    return [
        entry.name
        for entry in DISSIMILARITIES.values()
        if entry.estimated != "VI" and not entry.needs_folds
    ]


def dissimilarities_with_noise() -> list[str]:
    """Name those that take a noise covariance."""
    return [entry.name for entry in DISSIMILARITIES.values() if entry.noise_code is not None]


def cross_validated_with_noise() -> list[str]:
    """Name those that take a noise covariance and are defined across folds only."""
    return [d.name for d in DISSIMILARITIES.values() if d.noise_code is not None and d.needs_folds]


def needs_noise(metric: Metric) -> bool:
    """Tell whether the app computes it with a noise covariance only: without one, the identity."""
    known = find_dissimilarity(metric)
    return known.noise_code == codes.SQUARES_PER_VOXEL and not known.needs_folds


def check_folds(known: Dissimilarity, n_folds: int) -> None:
    """Refuse one fold for what is defined across folds only.

    Raises
    ------
    ValueError
    """
    if known.needs_folds and n_folds < 2:
        raise ValueError(f"{known.name} is cross-validated: it needs at least two folds")
