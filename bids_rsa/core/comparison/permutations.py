"""Permutations of conditions, and which of the permuted models differ."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Orders = NDArray[np.intp]

# relabelings are counted up to here (for up to 11 conditions), to say how many there are
_MOST_COUNTED = 50_000
_CELLS_COUNTED = 55
_ORDERS_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Permutations:
    """Orders of the conditions that all centres, models and participants share.

    Attributes
    ----------
    orders : (n_orders, n_conditions) intp
        The condition that stands at each place. All of them with the identity first, or drawn.
    exhaustive : bool
        These are all orders there are.
    n_asked : int
        How many were asked for.
    """

    orders: Orders
    exhaustive: bool
    n_asked: int

    def kept(self, n: int) -> tuple[Orders, bool]:
        """Choose the first n as draws of a null; and tell whether these are all orders there are.

        A part of all orders is taken without the identity, so that each is a random draw.
        """
        if self.exhaustive and n < len(self.orders):
            return self.orders[1 : n + 1], False
        return self.orders[:n], self.exhaustive


def draw_permutations(n_conditions: int, n_permutations: int, seed: int) -> Permutations:
    """List all orders of the conditions, or draw some when there are more than asked for.

    Parameters
    ----------
    n_conditions : int
    n_permutations : int
    seed : int
        Seed of numpy's PCG64.

    Raises
    ------
    ValueError
        Fewer than one permutation.
    """
    if n_permutations < 1:
        raise ValueError(f"at least one permutation is needed, {n_permutations} asked for")
    rng = np.random.default_rng(seed)
    identity = np.arange(n_conditions)
    if math.factorial(n_conditions) <= n_permutations:
        orders = np.array(list(itertools.permutations(range(n_conditions))), dtype=np.intp)
        orders[1:] = rng.permutation(orders[1:])
        return Permutations(orders, True, n_permutations)
    rows = np.tile(identity, (n_permutations, 1))
    return Permutations(rng.permuted(rows, axis=1).astype(np.intp), False, n_permutations)


def permuted_cells(orders: Orders) -> NDArray[np.int32]:
    """For each order the cell that stands at each place of the condensed RDM.

    Parameters
    ----------
    orders : (n_orders, n_conditions) intp

    Returns
    -------
    (n_orders, n_cells) int32
        ``model[cells]`` is the model with its rows and columns permuted together.
    """
    n = orders.shape[1]
    first, second = np.triu_indices(n, 1)
    number = np.zeros((n, n), np.int32)
    number[first, second] = number[second, first] = np.arange(len(first))
    return np.asarray(number[orders[:, first], orders[:, second]])


@dataclass(frozen=True, eq=False)
class ConditionRelabelings:
    """The permuted forms of a model, or of several permuted together.

    Attributes
    ----------
    distinct : (n, n_conditions) intp
        Orders that give different models, the identity first.
    used : (n_used,) intp
        Which of these each relabeling of the null is.
    kept : (n_kept,) intp
        Which of these each of the first permutations is.
    exhaustive : bool
        The relabelings used are all distinct ones, the identity among them once.
    n_distinct : int
        How many distinct ones there are.
    is_lower_bound : bool
        There are more than ``n_distinct``.
    """

    distinct: Orders
    used: NDArray[np.intp]
    kept: NDArray[np.intp]
    exhaustive: bool
    n_distinct: int
    is_lower_bound: bool

    @property
    def smallest_p(self) -> float:
        """The smallest p that they can give."""
        least = 1 / self.n_distinct
        return least if self.exhaustive else max(least, 1 / (len(self.used) + 1))


def find_relabelings(
    models: Floats, permutations: Permutations, n_kept: int = 0
) -> ConditionRelabelings:
    """Find all distinct permuted forms where they are few enough, else those that were drawn.

    Parameters
    ----------
    models : (n_models, n_cells) float64
        Permuted together: one model, or all models of a joint fit.
    permutations : Permutations
    n_kept : int
        See `Permutations.kept`.
    """
    codes = np.unique(models, axis=1, return_inverse=True)[1].ravel().astype(np.uint16)
    most = permutations.n_asked
    if models.shape[1] <= _CELLS_COUNTED:
        most = max(most, _MOST_COUNTED)
    n_conditions = permutations.orders.shape[1]
    found, is_whole = _orbit(codes, n_conditions, most)
    kept = permutations.kept(n_kept)[0]
    exhaustive = is_whole and len(found) <= permutations.n_asked
    number: dict[bytes, int] = {}
    if exhaustive:
        number |= {key: position for position, key in enumerate(found)}
        distinct = np.array(list(found.values()))
        used = np.arange(len(distinct))
    else:
        chosen: list[NDArray[np.intp]] = []
        identity = np.arange(n_conditions)[None]
        for order, key in _keys(codes, np.concatenate([identity, permutations.orders])):
            if number.setdefault(key, len(number)) == len(chosen):
                chosen.append(order)
        distinct = np.array(chosen)
        used = np.array([number[key] for _, key in _keys(codes, permutations.orders)])
    rows = np.array([number[key] for _, key in _keys(codes, kept)], dtype=np.intp)
    return ConditionRelabelings(distinct, used, rows, exhaustive, len(found), not is_whole)


def _orbit(
    codes: NDArray[np.uint16], n_conditions: int, most: int
) -> tuple[dict[bytes, NDArray[np.intp]], bool]:
    """List the permuted models by their bytes, each reached by swaps of neighbouring conditions.

    Stops, and returns False, when there are more than ``most``.
    """
    identity = np.arange(n_conditions)
    found = {codes.tobytes(): identity}
    waiting = [identity]
    while waiting:
        some = np.array(waiting[:_ORDERS_AT_ONCE])
        waiting = waiting[_ORDERS_AT_ONCE:]
        for place in range(n_conditions - 1):
            swapped = some.copy()
            swapped[:, [place, place + 1]] = some[:, [place + 1, place]]
            for order, key in _keys(codes, swapped):
                if key not in found:
                    if len(found) == most:
                        return found, False
                    found[key] = order
                    waiting.append(order)
    return found, True


def _keys(codes: NDArray[np.uint16], orders: Orders) -> Iterator[tuple[NDArray[np.intp], bytes]]:
    """Give the bytes of the permuted model for each order."""
    for start in range(0, len(orders), _ORDERS_AT_ONCE):
        some = orders[start : start + _ORDERS_AT_ONCE]
        for order, row in zip(some, codes[permuted_cells(some)], strict=True):
            yield order, row.tobytes()
