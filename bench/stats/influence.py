"""How much each run moves a linear model, by statsmodels: leverages, studentised residuals, Cook's distances."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from statsmodels.stats.outliers_influence import OLSInfluence

from bench.stats.coding import Floats
from bench.stats.linear import LinearModel


class Influence(OLSInfluence):  # type: ignore[misc]  # statsmodels has no types
    """Leverages, internally studentised residuals and Cook's distances, with the mean or block means as coefficients.

    What refits without a run (``resid_studentized_external``) does not know of the blocks.
    """

    def __init__(self, model: LinearModel) -> None:
        super().__init__(model.results)
        self.k_vars = len(model.independent) + model.blocks
        self._orthonormal = model.orthonormal
        self._mean = 1.0 / (len(model.y) if model.block is None else np.bincount(model.block)[model.block])

    @cached_property
    def hat_matrix_diag(self) -> Floats:
        """Diagonal of the hat matrix of the whole model."""
        return np.asarray((self._orthonormal**2).sum(axis=1) + self._mean, float)
