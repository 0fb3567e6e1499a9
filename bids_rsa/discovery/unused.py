"""Options that are for some forms of images only, and that no analysis could use."""

from collections.abc import Sequence

from bids_rsa.errors import OptionError
from bids_rsa.records import Analysis
from bids_rsa.settings import InputSettings


def refuse_unused(inputs: InputSettings, analyses: Sequence[Analysis]) -> None:
    """Refuse an option that would be ignored, because no analysis has what it is for.

    Raises
    ------
    OptionError
        Names the first such option.
    """
    surfaces = [one for analysis in analyses for one in analysis.surfaces]
    on_surfaces = "it is for images on surfaces and for --patches ribbon and lines"
    checks = (
        (bool(inputs.surface), bool(surfaces), "--surface", on_surfaces),
        (inputs.cortex_mask is not None, bool(surfaces), "--cortex-mask", on_surfaces),
        (
            inputs.center_density is not None,
            any(one.coarse for one in surfaces),
            f"--center-density {inputs.center_density}",
            "it is for GIFTI images on fsaverage or fsLR",
        ),
        (
            inputs.cifti_volume == "skip",
            any(analysis.cortex_only for analysis in analyses),
            "--cifti-volume skip",
            "it is for CIFTI images",
        ),
        (
            inputs.patches != "auto",
            any(analysis.ribbon for analysis in analyses),
            f"--patches {inputs.patches}",
            "it is for volumes",
        ),
    )
    for given, is_used, option, what in checks:
        if given and not is_used:
            forms = ", ".join(sorted({_form(analysis) for analysis in analyses}))
            raise OptionError(
                f"{option} would be ignored: {what}, and the images found are {forms}.",
                "Omit the option, or choose other images (--space, --bids-filter-file, -d).",
            )
    _refuse_of_other_producers(inputs, analyses)


def _refuse_of_other_producers(inputs: InputSettings, analyses: Sequence[Analysis]) -> None:
    """Refuse an option for the images of one program, where there are none of it."""
    found = {image.source for analysis in analyses for image in analysis.images}
    for option, given, used_by in (
        ("--basis-function", inputs.basis_function is not None, ("spm", "bidspm")),
        ("--reference-image", inputs.reference_image is not None, ("glmsingle",)),
    ):
        if given and found and not found & set(used_by):
            raise OptionError(
                f"{option} would be ignored: it is for images of {' and '.join(used_by)}, and the "
                f"images found are of {', '.join(sorted(found))}.",
                "Omit the option, or choose other images (--betas, --source).",
            )


def _form(analysis: Analysis) -> str:
    """Say what the images of an analysis are."""
    if analysis.ribbon:
        return f"volumes (with --patches {'lines' if analysis.on_lines else 'ribbon'})"
    names = {"volume": "volumes", "surface": "GIFTI maps", "grayordinates": "CIFTI maps"}
    return names[analysis.form]
