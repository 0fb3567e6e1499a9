"""Small synthetic BIDS datasets: noise everywhere, and a planted model effect in a known place."""

from bids_rsa.example.images import make_example
from bids_rsa.example.planted import (
    CONDITIONS,
    SPACE,
    ExampleSettings,
    model_rdm,
    planted_patterns,
    write_model,
)

__all__ = [
    "CONDITIONS",
    "SPACE",
    "ExampleSettings",
    "make_example",
    "model_rdm",
    "planted_patterns",
    "write_model",
]
