"""Noise normalisation: the noise covariance of a patch, and dissimilarities that use it."""
