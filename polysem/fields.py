"""Types of parameters that several experiments have."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

Count = Annotated[int, Field(gt=0)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1)]

Autoencoder = Literal["leaky_l1", "relu_l1", "topk", "batch_topk", "jumprelu", "gated", "matryoshka"]
Frozen = Literal["none", "decoder", "encoder", "both"]
"""Which part of an autoencoder stays as it started."""

BY_K = ("topk", "batch_topk", "matryoshka")
"""Autoencoders whose sparsity is a number of latents; that of the others is the weight of a penalty."""
