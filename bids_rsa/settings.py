"""Frozen settings of plain values: the science, the input, the group test, where and how to run.

Each default is here once; the parser reads it from here.
"""

from dataclasses import dataclass, fields

from bids_rsa.core.comparison.table import DEFAULT_COMPARISON
from bids_rsa.core.dissimilarity.table import DEFAULT_DISSIMILARITY

# what noise is estimated from
AUTO, RESIDUALS, IMAGES, POOLED_IMAGES = "auto", "residuals", "images", "pooled-images"
NOISE_SOURCES = (AUTO, RESIDUALS, IMAGES, POOLED_IMAGES)


@dataclass(frozen=True)
class ReadingSettings:
    """The part of the science that reading images depends on; a change of the rest reads nothing.

    Metrics, ``standardize``, ``noise`` and ``noise_from`` decide which warnings there are, and no
    pattern.
    """

    folds: str = "none"
    ignore_nan: bool = False
    missing_runs: str = "error"
    normalize: str = "none"
    center: str = "none"
    dissimilarity: str = DEFAULT_DISSIMILARITY
    dissimilarity_params: str = "{}"
    comparisons: tuple[str, ...] = (DEFAULT_COMPARISON,)
    standardize: bool = False
    noise: str = "none"
    noise_from: str = AUTO
    reliability: bool = False

    @property
    def pools_noise(self) -> bool:
        """Whether folds are weighted by noise from their own images: distances are biased."""
        return self.noise != "none" and self.noise_from == POOLED_IMAGES


@dataclass(frozen=True)
class RsaSettings(ReadingSettings):
    """The science of the participant level: what is computed at each centre.

    ``dissimilarity_params`` is canonical JSON (sorted keys). ``folds`` is ``none``, ``runs``,
    ``max`` or a number. ``patch_size`` is the most locations of a patch.
    ``condition_covariance`` is ``none``, ``design`` or a file.
    ``residual_dof`` are the degrees of freedom of all runs' residuals.
    """

    radius_mm: float = 10.0
    patch_size: int | None = None
    exclude_within: str = "none"
    condition_covariance: str = "none"
    min_voxels: int = 10
    residual_dof: float | None = None
    condition_permutations: int = 0
    keep_null: int = 0
    random_seed: int = 0
    alpha: float = 0.05

    @property
    def reading(self) -> ReadingSettings:
        """What reading images needs of this."""
        names = [field.name for field in fields(ReadingSettings)]
        return ReadingSettings(**{name: getattr(self, name) for name in names})


@dataclass(frozen=True)
class Selection:
    """Which of the images found are wanted; an empty tuple selects all."""

    participant_label: tuple[str, ...] = ()
    exclude_participant_label: tuple[str, ...] = ()
    session_label: tuple[str, ...] = ()
    task_label: tuple[str, ...] = ()
    run_label: tuple[str, ...] = ()
    space: tuple[str, ...] = ()
    res: tuple[str, ...] = ()
    bids_filter_file: str | None = None


@dataclass(frozen=True)
class InputSettings:
    """Where condition images, masks and models come from.

    ``derivatives``, ``models`` and ``features`` contain their command-line texts
    (``[NAME=]PATH``, ``[NAME=]FILE``, ``[NAME=]FILE:METRIC``).
    """

    bids_dir: str
    derivatives: tuple[str, ...] = ()
    stat: str = "effect"
    selection: Selection = Selection()
    brain_mask: str | None = None
    roi_mask: str | None = None
    models: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    nuisance: tuple[str, ...] = ()
    exclude_cells: str | None = None
    conditions: tuple[str, ...] = ()
    condition_map: str | None = None
    missing: str = "error"
    betas: tuple[str, ...] = ()
    labels: str | None = None
    source: str = "auto"
    reference_image: str | None = None
    basis_function: int | None = None
    bids_database_dir: str | None = None
    residuals: tuple[str, ...] = ()
    surface: tuple[str, ...] = ()
    cortex_mask: str | None = None
    cifti_volume: str = "structures"
    center_density: str | None = None
    patches: str = "auto"


@dataclass(frozen=True)
class BoldSettings:
    """How condition images are estimated from BOLD and events (``--from-bold``).

    ``confounds`` are names of strategies, of columns, or regular expressions. ``high_pass`` is a
    cut-off in seconds (0: none; None: the confounds' cosines, else 128 s). ``event_duration``,
    ``start_time`` are in seconds, ``fd_threshold`` in mm.
    """

    from_bold: bool = False
    hrf: str = "spm"
    confounds: tuple[str, ...] = ("motion6",)
    high_pass: float | None = None
    fd_threshold: float | None = None
    dummy_scans: int = 0
    start_time: float | None = None
    glm_noise: str = "ols"
    estimate: str = "conditions"
    scale: str = "run"
    condition_column: str = "trial_type"
    event_duration: float | None = None


@dataclass(frozen=True)
class RegionSettings:
    """Which regions are analysed, and what is required of them.

    ``atlas`` and ``rois`` contain their command-line texts (``[NAME=]FILE|LABEL``,
    ``[NAME=]MASK``), ``roi_spheres`` ``NAME:x,y,z:R`` in mm; ``roi`` chooses regions by name.
    """

    atlas: tuple[str, ...] = ()
    atlas_table: tuple[str, ...] = ()
    atlas_threshold: float = 0.25
    rois: tuple[str, ...] = ()
    roi_spheres: tuple[str, ...] = ()
    roi: tuple[str, ...] = ()
    roi_only: bool = False
    min_coverage: float = 0.5

    @property
    def any_given(self) -> bool:
        """Whether there are regions at all."""
        return bool(self.atlas or self.rois or self.roi_spheres)


@dataclass(frozen=True)
class GroupSettings:
    """The science of the group level: what is tested across participants, and its correction."""

    label: str | None = None
    comparison: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    average_sessions: bool = False
    assume_common_space: bool = False
    coverage: float = 1.0
    group_mask: str | None = None
    transform: str = "auto"
    smoothing_fwhm: float = 0.0
    tail: str | None = None
    compare_models: tuple[str, ...] = ()
    group_column: str | None = None
    groups: tuple[str, ...] = ()
    covariates: tuple[str, ...] = ()
    test_covariate: str | None = None
    participants_file: str | None = None
    n_permutations: int = 10_000
    random_seed: int = 0
    cluster_p: float = 0.001
    connectivity: int = 6
    primary: str = "tfce"
    alpha: float = 0.05
    fwe_over: str = "none"
    noise_ceiling: bool = False
    null: str = "subjects"

    @property
    def uses_columns(self) -> bool:
        """Whether the test uses columns of the table of participants."""
        return bool(self.covariates or self.test_covariate or self.group_column)

    @property
    def uses_null_maps(self) -> bool:
        """Whether the null comes from the participants' null maps."""
        return self.null != "subjects"


@dataclass(frozen=True)
class RunSettings:
    """Where and how to run; nothing here changes a number in the results."""

    output_dir: str
    work_dir: str | None = None
    n_procs: int | None = None
    mem_gb: float | None = None
    use_plugin: str | None = None
    omp_nthreads: int | None = None
    stop_on_first_crash: bool = False
    overwrite: bool = False
    dry_run: bool = False
    dry_run_table: str | None = None
    list_participants: bool = False
    validate: bool = False
    keep_residuals: bool = False
    no_figures: bool = False
    no_report: bool = False
    reports_only: bool = False
    debug: bool = False
    verbosity: int = 0


@dataclass(frozen=True)
class Settings:
    """All that one call of the app was asked to do."""

    analysis_level: str
    rsa: RsaSettings
    inputs: InputSettings
    group: GroupSettings
    run: RunSettings
    bold: BoldSettings = BoldSettings()
    regions: RegionSettings = RegionSettings()
