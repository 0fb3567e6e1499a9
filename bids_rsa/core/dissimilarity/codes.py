"""Numbers that kernels know dissimilarities by; kept apart so that the table is light to import."""

# pairs of patterns (`pairs`): of numbers
BRAYCURTIS, CANBERRA, CHEBYSHEV, CITYBLOCK, DICE_OF_NUMBERS, MINKOWSKI, SUM_OF_SQUARES = range(7)
LAST_OF_NUMBERS = SUM_OF_SQUARES
# of distributions, and of truth values or of equality
JENSENSHANNON, DICE, HAMMING, JACCARD, ROGERSTANIMOTO, RUSSELLRAO, SOKALSNEATH, YULE = range(7, 15)

# functions of the patterns' inner products (sums along rows of a grid, `missing`)
CORRELATION, COSINE, EUCLIDEAN, SQEUCLIDEAN = range(4)
PRODUCTS = (CORRELATION, COSINE)

# with a noise covariance: the last, or squares divided by the number of voxels
SQUARES_PER_VOXEL = 4
