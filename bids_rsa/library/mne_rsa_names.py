"""The names that mne-rsa 1.0 has for arguments which have another name here."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from scipy.spatial.distance import squareform

from bids_rsa.errors import ContentError, OptionError

_Function = TypeVar("_Function", bound=Callable[..., Any])
_OWN_NAMES = {
    "rdm_model": "dsm_model",
    "image_rdm_metric": "image_dsm_metric",
    "image_rdm_params": "image_dsm_params",
    "labels_image": "y",
}


def accepts_mne_rsa_names(function: _Function) -> _Function:
    """Let a function take keywords by mne-rsa's names too; its signature stays as it is."""

    @wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        labels = kwargs.pop("labels_rdm_model", None)
        for theirs, own in _OWN_NAMES.items():
            if theirs in kwargs and own in kwargs:
                raise TypeError(f"{theirs} is another name of {own}: give one of them.")
            if theirs in kwargs:
                kwargs[own] = kwargs.pop(theirs)
        if labels is not None:
            args, kwargs = _with_labels(args, kwargs, list(labels))
        return function(*args, **kwargs)

    return called  # type: ignore[return-value]  # called like the function


def _with_labels(
    args: tuple[Any, ...], kwargs: dict[str, Any], labels: list[Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Name the rows of the models, which are the second argument."""
    if len(args) > 1:
        return (args[0], _labelled(args[1], labels), *args[2:]), kwargs
    if "dsm_model" in kwargs:
        kwargs = kwargs | {"dsm_model": _labelled(kwargs["dsm_model"], labels)}
    return args, kwargs


def _labelled(models: Any, labels: list[Any]) -> Any:
    """Turn model RDMs into data frames with these names."""
    if isinstance(models, list | tuple) and not all(map(np.isscalar, models)):
        return [_labelled(model, labels) for model in models]
    if isinstance(models, pd.DataFrame):
        raise OptionError("labels_rdm_model is for arrays; a DataFrame has names already.")
    cells = np.asarray(models, dtype=np.float64)
    n = len(labels)
    if cells.shape not in ((n, n), (n * (n - 1) // 2,)):
        raise ContentError(
            f"labels_rdm_model names {n} items, but a model has shape {cells.shape}; ({n}, {n}) or "
            f"condensed ({n * (n - 1) // 2},) is expected."
        )
    square = cells if cells.ndim == 2 else squareform(cells, checks=False)
    return pd.DataFrame(square, index=labels, columns=labels)
