"""The hand-written passes against autograd."""

import numpy as np
import pytest
import torch

from polysem.activation import ACTIVATIONS
from polysem.network import Network
from polysem.parameters import Adam, Parameters
from polysem.sae.leaky_l1 import LeakyL1
from polysem.train import Decay, reproducible

MEMBERS, SAMPLES = 3, 64
REFERENCE = {
    "relu": torch.relu,
    "gelu": torch.nn.functional.gelu,
    "silu": torch.nn.functional.silu,
    "tanh": torch.tanh,
    "leaky_relu": lambda z: torch.nn.functional.leaky_relu(z, 0.01),
}


def _random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


def _filled(shapes: list[tuple[int, int]]) -> Parameters:
    parameters = Parameters(MEMBERS, shapes)
    for k, matrix in enumerate(parameters.matrices):
        matrix.copy_(_random(*matrix.shape, seed=k))
    return parameters


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_network_gradient_is_autograds(activation: str) -> None:
    """Forward and backward pass equal autograd's, with noise on the last hidden layer, for every activation."""
    parameters = _filled([(5, 4), (5, 6), (2, 6)])
    leaves = [matrix.clone().requires_grad_() for matrix in parameters.matrices]
    x = torch.cat([_random(MEMBERS, 3, SAMPLES), torch.ones(MEMBERS, 1, SAMPLES)], dim=1)
    y, noise = _random(MEMBERS, 2, SAMPLES, seed=1), _random(MEMBERS, 5, SAMPLES, seed=2)

    h = x
    for k, weight in enumerate(leaves[:-1]):
        h = REFERENCE[activation](weight @ h)
        h = torch.cat([h + noise if k == 1 else h, torch.ones(MEMBERS, 1, SAMPLES)], dim=1)
    expected = leaves[-1] @ h
    (expected - y).square().sum().backward()

    with reproducible():
        network = Network(parameters, ACTIVATIONS[activation], SAMPLES)
        torch.testing.assert_close(network.forward(x, noise), expected.detach(), rtol=1e-5, atol=1e-5)
        network.output.sub_(y).mul_(2)
        network.backward(x)
    for gradient, leaf in zip(parameters.gradients, leaves, strict=True):
        torch.testing.assert_close(gradient, leaf.grad, rtol=1e-4, atol=1e-3)


def test_sae_gradient_is_autograds() -> None:
    """The SAE's passes equal autograd's, its weighted L1 penalty included."""
    parameters = _filled([(7, 5), (4, 7)])
    encoder, decoder = (matrix.clone().requires_grad_() for matrix in parameters.matrices)
    a = torch.cat([_random(MEMBERS, 4, SAMPLES), torch.ones(MEMBERS, 1, SAMPLES)], dim=1)
    penalty = _random(MEMBERS, 1, SAMPLES, seed=3).abs()
    latents = torch.nn.functional.leaky_relu(encoder @ a, 0.01)
    output = decoder @ latents
    ((output - a[:, :-1]).square().sum() + (penalty * latents.abs()).sum()).backward()

    with reproducible():
        sae = LeakyL1(parameters, SAMPLES)
        torch.testing.assert_close(sae.forward(a), output.detach(), rtol=1e-5, atol=1e-5)
        sae.output.sub_(a[:, :-1]).mul_(2)
        sae.backward(a, penalty)
    for gradient, leaf in zip(parameters.gradients, (encoder, decoder), strict=True):
        torch.testing.assert_close(gradient, leaf.grad, rtol=1e-4, atol=1e-3)


def test_adam_is_torchs() -> None:
    """Twenty steps equal ``torch.optim.Adam``'s, each member at its own rate, with L1 and L2 in the gradient."""
    parameters = _filled([(3, 4)])
    rates, l1, l2 = torch.tensor([[1e-3], [1e-2], [1e-1]]), 0.3, 0.2
    leaves = [matrix.clone().requires_grad_() for matrix in parameters.matrices[0]]
    targets = _random(MEMBERS, 3, 4, seed=5)
    optimisers = [torch.optim.Adam([leaf], lr=float(rate)) for leaf, rate in zip(leaves, rates, strict=True)]
    adam = Adam(parameters, rates)
    decay = Decay(torch.full_like(parameters.flat, l1), torch.full_like(parameters.flat, l2))
    for _ in range(20):
        for leaf, target, optimiser in zip(leaves, targets, optimisers, strict=True):
            optimiser.zero_grad()
            ((leaf - target).square().sum() + l1 * leaf.abs().sum() + l2 / 2 * leaf.square().sum()).backward()
            optimiser.step()
        parameters.gradients[0].copy_(2 * (parameters.matrices[0] - targets))
        decay.add_to_gradient(parameters)
        adam.step()
    torch.testing.assert_close(parameters.matrices[0], torch.stack([leaf.detach() for leaf in leaves]))
