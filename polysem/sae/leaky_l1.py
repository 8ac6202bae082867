"""The post's sparse autoencoder: LeakyReLU latents with an L1 penalty, a decoder without bias."""

from __future__ import annotations

from math import sqrt

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from polysem.activation import LEAKY_SLOPE, leaky_relu
from polysem.parameters import Parameters, product


class LeakyL1:
    """f = LeakyReLU(W_e [a; 1]), reconstruction D f; on a fixed number of samples.

    Loss: mean over samples and units of (D f - a)^2, plus a penalty on the sum of |f| over latents.
    """

    def __init__(self, parameters: Parameters, n_samples: int) -> None:
        self.encoder, self.decoder = parameters.matrices
        self._activation = leaky_relu(LEAKY_SLOPE)
        members, width, _ = self.encoder.shape
        self._z, self.latents, self._grad_z, self._sign = torch.empty(4, members, width, n_samples)
        self.output = torch.empty(members, self.decoder.shape[1], n_samples)
        self._encoder, (self._encoder_gradient, _) = self.encoder.numpy(), (g.numpy() for g in parameters.gradients)
        self._decode = product(self.decoder, self.latents, self.output)
        self._decoder_gradient = product(self.output, self.latents.transpose(1, 2), parameters.gradients[1])
        self._latent_gradient = product(self.decoder.transpose(1, 2), self.output, self._grad_z)

    def forward(
        self, activations: Float[Tensor, "member hidden_and_one sample"]
    ) -> Float[Tensor, "member hidden sample"]:
        """The reconstruction; ``latents`` holds f."""
        np.matmul(self._encoder, activations.numpy(), out=self._z.numpy())
        self._activation.value(self._z, self.latents)
        self._decode()
        return self.output

    def backward(
        self, activations: Float[Tensor, "member hidden_and_one sample"], penalty: Float[Tensor, "member 1 sample"]
    ) -> None:
        """Compute the gradients of encoder and decoder for the pass just made.

        The caller has overwritten ``output`` with the gradient of the loss with respect to it. ``penalty`` is the
        weight of each sample's |f|: 0 for padding.
        """
        self._decoder_gradient()
        self._latent_gradient()
        torch.sign(self.latents, out=self._sign)
        self._grad_z.addcmul_(self._sign, penalty)
        self._activation.backward(self._grad_z, self._z, self._grad_z)
        np.matmul(self._grad_z.numpy(), activations.numpy().transpose(0, 2, 1), out=self._encoder_gradient)


def initial_weights(
    hidden: int, width: int, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "latent hidden_and_one"], Float[np.ndarray, "hidden latent"]]:
    """Decoder columns drawn uniform and normalised once; encoder their transpose, its biases U(0, 0.1)."""
    decoder = rng.uniform(-1, 1, (hidden, width)) / sqrt(width)
    decoder /= np.linalg.norm(decoder, axis=0)
    bias = rng.uniform(0, 0.1, (width, 1))
    return np.hstack([decoder.T, bias]), decoder
