"""An entry of the table of dissimilarities: all that the program knows about one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bids_rsa.core.dissimilarity import codes


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
        Keyword arguments it takes; those in `table.PER_VOXEL` have one entry per voxel.
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
