"""Cholesky factors and triangular solves in place, without Python's lock.

scipy's own wrappers hold the lock while LAPACK works, so that threads would wait for each other.
The routines are those that scipy exports for compiled code.
"""

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cython_blas, cython_lapack

Floats = NDArray[np.float64]


def _routine(module: Any, name: str, n_arguments: int) -> Callable[..., None]:
    """Make a routine that takes pointers callable; ctypes gives the lock up during a call."""
    capsule = module.__pyx_capi__[name]
    get_name = ctypes.pythonapi.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype = ctypes.c_void_p
    get_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    address = get_pointer(capsule, get_name(capsule))
    prototype = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * n_arguments)
    return prototype(address)


_POTRF = _routine(cython_lapack, "dpotrf", 5)
_TRTRI = _routine(cython_lapack, "dtrtri", 6)
_TRSM = _routine(cython_blas, "dtrsm", 11)
_L, _U, _T, _N = (ctypes.c_char(letter) for letter in (b"L", b"U", b"T", b"N"))
_SMALL = 40
_ONE = ctypes.c_double(1.0)
_POINTER = ctypes.byref


def factorise(matrix: Floats) -> bool:
    """Replace the lower triangle of S by its Cholesky factor L, S = L L'.

    Parameters
    ----------
    matrix : (n, n) float64, C-contiguous
        The upper triangle is neither read nor written.

    Returns
    -------
    bool
        False where S is not positive definite, or only by rounding (see ``is_definite``).
    """
    sizes = matrix.diagonal().copy()
    n, info = ctypes.c_int(len(matrix)), ctypes.c_int()
    # LAPACK counts by columns: our lower triangle is its upper one
    _POTRF(_POINTER(_U), _POINTER(n), matrix.ctypes.data, _POINTER(n), _POINTER(info))
    return info.value == 0 and is_definite(matrix, sizes)


def is_definite(factor: Floats, sizes: Floats) -> bool:
    """Tell whether a Cholesky factor is one of more than rounding.

    Parameters
    ----------
    factor : (n, n) float64
        L in its lower triangle.
    sizes : (n,) float64
        The diagonal of S = L L'. A pivot is what those before leave of it.
    """
    rounding = len(sizes) * np.finfo(np.float64).eps
    return bool((factor.diagonal() ** 2 > rounding * sizes).all())


def solve_rows(factor: Floats, rows: Floats) -> None:
    """Replace each row x by L^-1 x.

    Parameters
    ----------
    factor : (n, n) float64, C-contiguous
        L in its lower triangle.
    rows : (n_rows, n) float64, C-contiguous
    """
    n, n_rows = ctypes.c_int(len(factor)), ctypes.c_int(len(rows))
    _TRSM(
        _POINTER(_L), _POINTER(_U), _POINTER(_T), _POINTER(_N), _POINTER(n), _POINTER(n_rows),
        _POINTER(_ONE), factor.ctypes.data, _POINTER(n), rows.ctypes.data, _POINTER(n),
    )  # fmt: skip


def invert_factor(factor: Floats) -> None:
    """Replace a lower triangular matrix by its inverse.

    By halves, whose products are faster than LAPACK's own way for some hundred rows.

    Parameters
    ----------
    factor : (n, n) float64
        Rows are contiguous; 0 above the diagonal.
    """
    n = len(factor)
    if n <= _SMALL:
        size, step, info = ctypes.c_int(n), ctypes.c_int(factor.strides[0] // 8), ctypes.c_int()
        _TRTRI(
            _POINTER(_U), _POINTER(_N), _POINTER(size), factor.ctypes.data, _POINTER(step),
            _POINTER(info),
        )  # fmt: skip
        return
    first, second = factor[: n // 2, : n // 2], factor[n // 2 :, n // 2 :]
    invert_factor(first)
    invert_factor(second)
    below = factor[n // 2 :, : n // 2]
    below[:] = -(second @ below) @ first
