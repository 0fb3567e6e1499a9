"""The names of the metrics, light to import for --help; the tables hold an entry for each."""

DISSIMILARITY_NAMES = (
    "braycurtis",
    "canberra",
    "chebyshev",
    "cityblock",
    "correlation",
    "cosine",
    "dice",
    "euclidean",
    "hamming",
    "jaccard",
    "jensenshannon",
    "mahalanobis",
    "matching",
    "minkowski",
    "rogerstanimoto",
    "russellrao",
    "seuclidean",
    "sokalsneath",
    "sqeuclidean",
    "yule",
)

COMPARISON_NAMES = (
    "spearman",
    "pearson",
    "kendall-tau-a",
    "partial",
    "partial-spearman",
    "regression",
)

# comparisons that fit all models at once, and need at least two
PARTIAL_COMPARISONS = ("partial", "partial-spearman")
JOINT_COMPARISONS = (*PARTIAL_COMPARISONS, "regression")
