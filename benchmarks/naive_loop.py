"""The published and described protocols as one would write them in a notebook: plain PyTorch, one run at a time.

    python benchmarks/naive_loop.py published --seeds 1                     # metrics and seconds of 16 runs, as CSV
    python benchmarks/naive_loop.py described --seeds 1 --cells 2 --epochs 50

It shares no code with polysem, and so checks it as well: ``benchmarks/compare.py`` holds the two side by side.
"""

import argparse
import itertools
import time

import numpy as np
import torch
from scipy.stats import t as student_t
from torch import nn
from torch.nn import functional as F

IMPORTANCE = 0.9 ** np.arange(8)


def make_data(n):
    x = np.zeros((n, 8))
    for row in x:
        for group in ([0, 1, 2], [3, 4], [5, 6, 7]):
            if np.random.rand() < 0.6:
                strength = np.random.uniform(0.5, 1)
                row[group] = strength * np.random.randn() + (1 - strength) * np.random.randn(len(group))
    x = torch.tensor(x * (np.random.rand(n, 8) < 0.5)).float().relu()
    y = torch.stack(
        [
            x[:, 0] * x[:, 1] + 0.5 * x[:, 2],
            torch.sin(x[:, 0] + x[:, 2]) + x[:, 1],
            x[:, 0] ** 2 + x[:, 1] * x[:, 2],
            x[:, 3] * x[:, 4] + 0.3 * x[:, 5],
            torch.tanh(x[:, 3] + x[:, 4]),
            x[:, 5] * x[:, 6] * x[:, 7],
            x[:, 5] + 0.7 * x[:, 7],
            x[:, 6] ** 2 + x[:, 5] * x[:, 7],
        ],
        dim=1,
    )
    return x, y * torch.tensor(IMPORTANCE).float()


def make_network(init, act, protocol):
    published = protocol == "published"
    widths = [8, 12, 12, 12, 12, 8] if published else [8, 12, 12, 12, 8]
    layers = []
    for fan_in, fan_out in itertools.pairwise(widths):
        layer = nn.Linear(fan_in, fan_out)
        if init == "orthogonal":
            nn.init.orthogonal_(layer.weight, gain=2**0.5 if published else 1.0)
            nn.init.zeros_(layer.bias)
        elif not published:
            nn.init.normal_(layer.weight, std=(3 * fan_in) ** -0.5)
            nn.init.zeros_(layer.bias)
        layers += [layer, nn.ReLU() if act == "relu" else nn.GELU()]
    return nn.Sequential(*layers[:-1])


def draw_noise(kind, shape, protocol):
    if kind == "positive_kurtosis":
        return torch.from_numpy(student_t.rvs(3, size=shape)).float() * 0.1 / 3**0.5
    uniform = torch.rand(shape)
    return (uniform > 0.5).float() * 0.2 - 0.1 if protocol == "published" else uniform * 0.2 - 0.1


def minibatches(n, size):
    return torch.randperm(n).split(size) if size else [slice(None)]


class SAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.Linear(12, 16), nn.Linear(16, 12, bias=False)
        self.decoder.weight.data = F.normalize(self.decoder.weight.data, dim=0)
        self.encoder.weight.data = self.decoder.weight.data.T.clone()
        nn.init.uniform_(self.encoder.bias, 0, 0.1)

    def forward(self, a):
        latents = F.leaky_relu(self.encoder(a), 0.01)
        return self.decoder(latents), latents


def run(protocol, init, noise, reg, act, seed, epochs=2000, sae_epochs=1000):
    torch.manual_seed(seed)
    np.random.seed(seed)
    published = protocol == "published"
    n_train, batch = (820, 0) if published else (1024, 64)
    x, y = make_data(1024 if published else 1280)
    net = make_network(init, act, protocol)
    decay = 1e-4 if reg == "l2" and published else 0
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, weight_decay=decay)
    weights = [p for p in net.parameters() if p.dim() > 1]
    for _ in range(epochs):
        for chosen in minibatches(n_train, batch):
            hidden = net[:-1](x[:n_train][chosen])
            output = net[-1](hidden + draw_noise(noise, hidden.shape, protocol))
            loss = F.mse_loss(output, y[:n_train][chosen])
            if reg == "l1":
                loss = loss + 1e-4 * sum(w.abs().sum() for w in weights)
            elif not published:
                loss = loss + 1e-4 * sum(w.square().sum() for w in weights)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    with torch.no_grad():
        raw = net[:-1](x[:n_train])
        standardised = (raw - raw.mean(0)) / (raw.std(0) + 1e-8)
        errors = (net(x) - y).square()
    sae = SAE()
    optimizer = torch.optim.Adam(sae.parameters(), lr=1e-3)
    trained_on = raw if published else standardised
    for _ in range(sae_epochs):
        for chosen in minibatches(n_train, batch):
            reconstruction, latents = sae(trained_on[chosen])
            penalty = latents.abs().sum() if published else latents.abs().sum(1).mean()
            loss = F.mse_loss(reconstruction, trained_on[chosen]) + 1e-4 * penalty
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    with torch.no_grad():
        reconstruction, latents = sae(standardised)
        cosine = (d := F.normalize(sae.decoder.weight, dim=0)).T @ d - torch.eye(16)
        importance = torch.tensor(np.tile(IMPORTANCE, 2)).float()
        return {
            "macs": cosine.abs().mean().item(),
            "interference": (cosine**2 * importance * importance[:, None]).sum().item() / 2,
            "l0_sparsity": (latents > 0).float().mean().item(),
            "sparsity_w4": torch.cat([w.flatten() for w in weights]).pow(4).mean().item(),
            "sae_mse": F.mse_loss(reconstruction, standardised).item(),
            "train_mse": errors[:n_train].mean().item(),
            "val_mse": errors[n_train:].mean().item(),
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("protocol", choices=["published", "described"])
    parser.add_argument("--cells", type=int, default=16, help="how many of the 16 cells; 4 have every level")
    parser.add_argument("--threads", type=int, help="by default as many as torch takes")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=2000, help="of the network; the SAE takes half as many")
    options = parser.parse_args()
    levels = ["random", "orthogonal"], ["bipolar", "positive_kurtosis"], ["l1", "l2"], ["relu", "gelu"]
    all_cells = list(itertools.product(*levels))
    cells = [all_cells[5 * k % 16] for k in range(options.cells)]
    if options.threads:
        torch.set_num_threads(options.threads)
    run(
        options.protocol, *cells[0], seed=0, epochs=1, sae_epochs=1
    )  # not timed: torch imports its optimisers' machinery
    first = True
    for seed, cell in itertools.product(range(options.seeds), cells):
        start, cpu = time.perf_counter(), time.process_time()
        values = run(options.protocol, *cell, seed, options.epochs, options.epochs // 2)
        row = dict(zip(("init", "noise", "reg", "act"), cell, strict=True))
        row |= {"seed": seed, "seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu, **values}
        if first:
            print(*row, sep=",")
            first = False
        print(*row.values(), sep=",", flush=True)


if __name__ == "__main__":
    main()
