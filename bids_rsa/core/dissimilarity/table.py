"""The table of dissimilarities: one entry says all that the program knows about one.

Light to import, for ``--help``: kernels are named by their numbers in `codes`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bids_rsa.core.dissimilarity import codes

Metric = str | Callable[..., float]

DEFAULT_DISSIMILARITY = "correlation"
# parameters with one entry per voxel
PER_VOXEL = ("w", "V")


@dataclass(frozen=True)
class Dissimilarity:
    """One way to measure how different two patterns are; its definition is scipy's ``pdist``.

    Attributes
    ----------
    name : str
        As scipy's ``pdist`` knows it.
    unit : str
        What a cell of the RDM is measured in; empty for a plain number.
    aliases : tuple of str
        scipy's other names.
    parameters : tuple of str
        Keyword arguments it takes; those in `PER_VOXEL` have one entry per voxel.
    estimated : str
        The parameter that is estimated from the patterns of a patch where it is not given.
    min_voxels : int
        Undefined on patches with fewer.
    constant_undefined : bool
        Undefined where a pattern is constant.
    unbiased_given : tuple of str or None
        Cross-validated, it is the unbiased product (mean 0 where nothing differs) when these
        parameters are given; None: it never is.
    signed_root : bool
        Cross-validated, it is the signed square root of the unbiased product.
    degree : int or None
        Power of the patterns' common scale that it grows with; one less where a parameter is
        estimated from the patterns. None: no power.
    upscale_power : float
        Missing voxels: multiplied by P / P_ij to this power; 0 for what is no sum over voxels.
    pair_code, weighted_pair_code : int or None
        Its compiled kernel for a pair of patterns, without and with weights.
    gram_code : int or None
        Its kernels as a function of inner products, for all pairs at once.
    noise_code : int or None
        What it is, with a noise covariance, of the products of whitened patterns; None: it takes
        no noise covariance.
    per_voxel : bool
        Divided by the number of voxels.
    needs_folds : bool
        Defined across folds only; scipy's ``pdist`` does not know it.
    of_differences : bool
        A function of the difference of two patterns: it is the same without what all patterns
        share.
    title : str
        What it is called in a sentence; empty where only its name is known.
    """

    name: str
    unit: str = ""
    aliases: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ("w",)
    estimated: str = ""
    min_voxels: int = 1
    constant_undefined: bool = False
    unbiased_given: tuple[str, ...] | None = None
    signed_root: bool = False
    degree: int | None = None
    upscale_power: float = 0.0
    pair_code: int | None = None
    weighted_pair_code: int | None = None
    gram_code: int | None = None
    noise_code: int | None = None
    per_voxel: bool = False
    needs_folds: bool = False
    of_differences: bool = False
    title: str = ""

    @property
    def sums_voxels(self) -> bool:
        """A sum over voxels (perhaps inside a root): it grows with the patch."""
        return self.upscale_power > 0

    @property
    def own_scales(self) -> bool:
        """It does not change with the scale of each pattern by itself."""
        return self.gram_code in codes.PRODUCTS

    def grows_with(self, params: Mapping[str, Any], n_folds: int) -> int | None:
        """Return the power of the patterns' common scale that it grows with; None: no power."""
        if n_folds > 1 and self.is_unbiased(params):
            return 1 if self.signed_root else 2
        estimated = bool(self.estimated) and self.estimates(self.estimated, params)
        return None if self.degree is None else self.degree - estimated

    def is_unbiased(self, params: Mapping[str, Any]) -> bool:
        """Tell whether it is, cross-validated, the unbiased estimator (or its signed root)."""
        needed = self.unbiased_given
        return needed is not None and all(params.get(key) is not None for key in needed)

    def ignores_shared(self, params: Mapping[str, Any], n_folds: int) -> bool:
        """Tell whether it is the same without the mean pattern of each fold.

        What a fold shares does not cancel where patterns of different folds are compared.
        """
        return self.of_differences and (n_folds == 1 or self.is_unbiased(params))

    def estimates(self, parameter: str, params: Mapping[str, Any]) -> bool:
        """Tell whether this parameter is estimated from the patterns of a patch."""
        return self.estimated == parameter and params.get(parameter) is None

    def upscale(self, params: Mapping[str, Any]) -> float:
        """Power of P / P_ij that a distance without some of its voxels is multiplied by."""
        return 1.0 / float(params.get("p", 2.0)) if "p" in self.parameters else self.upscale_power


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
    return DISSIMILARITIES["sqeuclidean"] if known.signed_root else known


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
