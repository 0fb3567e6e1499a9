"""What the options of the group level together can tell, before anything is read."""

from bids_rsa.errors import OptionError
from bids_rsa.settings import GroupSettings

# tests of regions use none of these: they have all pairs of models, and noise ceilings, anyway
OF_MAPS = (
    "smoothing_fwhm", "group_mask", "coverage", "cluster_p", "connectivity", "primary",
    "noise_ceiling", "compare_models",
)  # fmt: skip


def check_options(group: GroupSettings) -> None:
    """Check what the group options together can tell, before anything is read.

    Raises
    ------
    OptionError
        Options that contradict each other, or miss one another.
    """
    _check_test(group)
    _check_groups(group)
    _check_covariates(group)
    _check_null(group)
    _check_stelzer(group)
    _check_coverage(group)


def check_options_of_regions(group: GroupSettings) -> tuple[str, ...]:
    """Check the options of a call that tests regions alone.

    Returns
    -------
    tuple of str
        Options that are for maps, and leave the tests of regions as they are.

    Raises
    ------
    OptionError
        An option that would change scores, or whose, in maps.
    """
    defaults = GroupSettings()
    changed = [
        f"--{name.replace('_', '-')}"
        for name in OF_MAPS
        if getattr(group, name) != getattr(defaults, name)
    ]
    refused = [option for option in changed if option in ("--smoothing-fwhm", "--group-mask")]
    if refused:
        raise OptionError(
            f"{refused[0]} is for maps, and this call tests regions alone.",
            "Leave it out, or run the participant level without --roi-only.",
        )
    return tuple(changed)


def _check_test(group: GroupSettings) -> None:
    """Check that one test is asked for, and of two different models."""
    asked = [
        option
        for option, value in (
            ("--compare-models", group.compare_models),
            ("--group-column", group.group_column),
            ("--test-covariate", group.test_covariate),
        )
        if value
    ]
    if len(asked) > 1:
        raise OptionError(f"{' and '.join(asked)} are different tests.", "Ask for one at a time.")
    pair = group.compare_models
    if pair and pair != ("all",) and (len(pair) != 2 or pair[0] == pair[1]):
        raise OptionError(
            f"--compare-models {' '.join(pair)}: two different models are expected, or all.",
            "For example --compare-models categories pixels, or --compare-models all.",
        )


def _check_groups(group: GroupSettings) -> None:
    """Check that there are two groups, and a column that says who is in them."""
    if group.groups and not group.group_column:
        raise OptionError(
            f"--groups {' '.join(group.groups)} says which groups, but not in which column they "
            "are.",
            "Name the column of participants.tsv with --group-column.",
        )
    if group.groups and (len(group.groups) != 2 or group.groups[0] == group.groups[1]):
        raise OptionError(
            f"--groups {' '.join(group.groups)}: two different groups are expected.",
            "The test is first minus second.",
        )


def _check_covariates(group: GroupSettings) -> None:
    """Check that each covariate has one role, and that a table of participants is used."""
    names = [*group.covariates, *filter(None, [group.test_covariate])]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise OptionError(
            f"The covariate {twice[0]} was given twice.",
            "A covariate is either a nuisance (--covariates) or tested (--test-covariate).",
        )
    if group.participants_file and not group.uses_columns:
        raise OptionError(
            f"--participants-file {group.participants_file}: no option uses a column of it.",
            "Name columns with --group-column, --covariates or --test-covariate.",
        )


def _check_null(group: GroupSettings) -> None:
    """Check that null maps can be the null of the test asked for."""
    if group.uses_null_maps and (group.uses_columns or group.coverage < 1):
        raise OptionError(
            f"--null {group.null} tests mean scores, or the difference of two models, at centres "
            "that all participants have.",
            "Leave out --group-column, --covariates, --test-covariate and --coverage, or use "
            "--null subjects.",
        )


def _check_stelzer(group: GroupSettings) -> None:
    """Check that --null stelzer and the correction over its clusters are asked for together."""
    if (group.null == "stelzer") != (group.primary == "cluster-fdr"):
        raise OptionError(
            f"--null {group.null} and --primary {group.primary} do not go together: --null stelzer "
            "corrects by the false discovery rate over clusters (cluster-fdr), and nothing else "
            "does.",
            "Leave out --primary, or use another --null.",
        )
    if group.null == "stelzer" and group.fwe_over == "models":
        raise OptionError(
            "--fwe-over models corrects the family-wise error, and --null stelzer the false "
            "discovery rate over the clusters of a map.",
            "Leave out --fwe-over, or use --null conditions.",
        )


def _check_coverage(group: GroupSettings) -> None:
    """Check that the test asked for allows centres that some participants lack."""
    if group.coverage < 1 and group.uses_columns:
        raise OptionError(
            f"--coverage {group.coverage:g}: centres that some participants lack allow only "
            "one-sample tests and tests of two models, without covariates.",
            "Use --coverage 1 with groups and covariates.",
        )
