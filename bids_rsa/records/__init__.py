"""What was found in the input: frozen records of plain values that every later layer works on."""

from bids_rsa.records.analysis import Analysis, MaskChoice
from bids_rsa.records.bold_run import BoldRun, DesignFacts
from bids_rsa.records.condition_image import CIFTI, ESTIMATES, GIFTI, ConditionImage, Form
from bids_rsa.records.discovery import Discovery
from bids_rsa.records.model_rdm import ModelRdm
from bids_rsa.records.region_source import RegionSource
from bids_rsa.records.residuals import Residuals
from bids_rsa.records.runs import missing_by_run, natural_key
from bids_rsa.records.surfaces import HemisphereSurfaces

__all__ = [
    "CIFTI",
    "ESTIMATES",
    "GIFTI",
    "Analysis",
    "BoldRun",
    "ConditionImage",
    "DesignFacts",
    "Discovery",
    "Form",
    "HemisphereSurfaces",
    "MaskChoice",
    "ModelRdm",
    "RegionSource",
    "Residuals",
    "missing_by_run",
    "natural_key",
]
