"""The experiments of the AdaMF-MAT paper (https://arxiv.org/abs/2402.15444), section 4, as grids of runs."""
