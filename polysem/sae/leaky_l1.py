"""The post's sparse autoencoder: LeakyReLU latents with an L1 penalty, a decoder without bias."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from polysem.activation import LEAKY_SLOPE, leaky_relu
from polysem.parameters import Parameters


class LeakyL1:
    """f = LeakyReLU(W_e [a; 1]), reconstruction D f; on a fixed number of samples.

    Loss: mean over samples and units of (D f - a)^2, plus ``penalty`` times the sum of |f| over latents and samples.
    """

    def __init__(self, parameters: Parameters, n_samples: int) -> None:
        self.encoder, self.decoder = parameters.matrices
        self.activation = leaky_relu(LEAKY_SLOPE)
        members, width, _ = self.encoder.shape
        self._z, self._latents, self._grad_latents, self._sign = torch.empty(4, members, width, n_samples)
        self._output = torch.empty(members, self.decoder.shape[1], n_samples)

    def forward(
        self, activations: Float[Tensor, "member hidden_and_one sample"]
    ) -> tuple[Float[Tensor, "member latent sample"], Float[Tensor, "member hidden sample"]]:
        """Latents and reconstruction."""
        torch.bmm(self.encoder, activations, out=self._z)
        self.activation.value(self._z, self._latents)
        return self._latents, torch.bmm(self.decoder, self._latents, out=self._output)

    def backward(
        self,
        activations: Float[Tensor, "member hidden_and_one sample"],
        grad_output: Float[Tensor, "member hidden sample"],
        gradients: Sequence[Float[Tensor, "member row column"]],
        penalty: Float[Tensor, "member 1 sample"],
    ) -> None:
        """Write the gradient with respect to encoder and decoder, given that of the reconstruction just computed.

        ``penalty`` is the weight of each sample's |f|: 0 for padding.
        """
        torch.bmm(grad_output, self._latents.transpose(1, 2), out=gradients[1])
        torch.bmm(self.decoder.transpose(1, 2), grad_output, out=self._grad_latents)
        torch.sign(self._latents, out=self._sign)
        self._grad_latents.addcmul_(self._sign, penalty)
        self.activation.backward(self._grad_latents, self._z, self._grad_latents)
        torch.bmm(self._grad_latents, activations.transpose(1, 2), out=gradients[0])


def initial_weights(
    hidden: int, width: int, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "latent hidden_and_one"], Float[np.ndarray, "hidden latent"]]:
    """Encoder and decoder: decoder columns drawn uniform and normalised once, encoder their transpose, biases U(0, 0.1)."""
    decoder = rng.uniform(-1, 1, (hidden, width)) / sqrt(width)
    decoder /= np.linalg.norm(decoder, axis=0)
    bias = rng.uniform(0, 0.1, (width, 1))
    return np.hstack([decoder.T, bias]), decoder
