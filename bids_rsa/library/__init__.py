"""The functions for notebooks and scripts."""
