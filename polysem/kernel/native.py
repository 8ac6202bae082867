"""A compiled kernel becomes functions on numpy arrays: train a model, evaluate it, draw its noise."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from polysem.kernel.autoencoders import Autoencoders
from polysem.task import Matrices, Task

ACTIVATIONS = ("relu", "gelu", "silu", "tanh", "leaky_relu")
NOISE = ("none", "rademacher", "uniform", "gaussian", "student_t3", "laplace")
LANES = 16
STEPS_A_CALL = 64
"""Few enough for progress to be seen, enough to hide the price of a call."""


class _Training(ctypes.Structure):
    """``struct Training`` of kernel.cpp."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("widths", "order", "x", "y", "weight", "parameters", "mean", "square")),
        *((name, ctypes.c_void_p) for name in ("l1", "l2")),
        *((name, ctypes.c_double) for name in ("rate", "power1", "power2")),
        *((name, ctypes.c_float) for name in ("sigma", "leak", "error", "sparsity_sum", "sparsity_mean")),
        ("step", ctypes.c_uint32),
        ("key", ctypes.c_uint32 * 2),
        *((name, ctypes.c_int32) for name in ("layers", "activation", "noise", "samples", "batch", "stride")),
        *((name, ctypes.c_int32) for name in ("distinct", "output_bias", "tied", "centred", "unit_columns")),
    )


class Kernel:
    """The functions of one compiled kernel."""

    def __init__(self, path: Path) -> None:
        library = ctypes.CDLL(str(path))
        self.autoencoders = Autoencoders(library)
        self._train, self._evaluate, self._noise = (
            library.polysem_train,
            library.polysem_evaluate,
            library.polysem_noise,
        )
        for function in (self._train, self._evaluate, self._noise):
            function.restype = None

    def train(
        self,
        start: Matrices,
        x: Float[np.ndarray, "in sample"],
        y: Float[np.ndarray, "out sample"],
        task: Task,
        progress: Callable[[int], object] = lambda _steps: None,
    ) -> list[Float32[np.ndarray, "_ _"]]:
        """The matrices after training; ``progress`` is called with the number of steps taken since its last call.

        Full batches are faster the more samples at the end are all alike: they are computed once.
        """
        model = _Model(start, x, y)
        n = x.shape[1]
        distinct = n if task.batch else _distinct(np.vstack([x, y]))
        weight = np.zeros(model.stride, np.float32)
        weight[:distinct] = 1 / n
        if distinct < n:
            weight[distinct] = (n - distinct) / n
        l1, l2 = (pack(of) if of else np.zeros_like(model.parameters) for of in (task.l1, task.l2))
        moments = np.zeros((2, len(model.parameters)), np.float32)
        training = model.training
        training.weight, training.l1, training.l2 = weight.ctypes.data, l1.ctypes.data, l2.ctypes.data
        training.mean, training.square = moments[0].ctypes.data, moments[1].ctypes.data
        training.activation, training.noise = ACTIVATIONS.index(task.activation), NOISE.index(task.noise)
        training.samples, training.distinct, training.batch = n, distinct, min(task.batch, n)
        training.key[:] = task.key
        training.power1 = training.power2 = 1
        for name in ("rate", "sigma", "leak", "error", "sparsity_sum", "sparsity_mean"):
            setattr(training, name, getattr(task, name))
        for name in ("output_bias", "tied", "centred", "unit_columns"):
            setattr(training, name, int(getattr(task, name)))
        steps_an_epoch = -(-n // training.batch) if task.batch else 1
        epochs_a_call = max(1, STEPS_A_CALL // steps_an_epoch)
        for first in range(0, task.epochs, epochs_a_call):
            epochs = min(epochs_a_call, task.epochs - first)
            if task.batch:
                order = np.concatenate([task.order(n) for _ in range(epochs)]).astype(np.int32)
                training.order = order.ctypes.data
            self._train(ctypes.byref(training), epochs * steps_an_epoch)
            progress(epochs * steps_an_epoch)
        return model.matrices()

    def evaluate(
        self, matrices: Matrices, x: Float[np.ndarray, "in sample"], activation: str, *, leak: float = 0.01
    ) -> tuple[Float32[np.ndarray, "hidden sample"], Float32[np.ndarray, "out sample"]]:
        """The last hidden layer and the output, without noise."""
        outputs, inputs = (len(matrices[-1]), matrices[-1].shape[1] - 1)
        model = _Model(matrices, x, np.zeros((outputs, x.shape[1])))
        model.training.activation, model.training.leak = ACTIVATIONS.index(activation), leak
        hidden, output = (np.zeros((rows, model.stride), np.float32) for rows in (inputs, outputs))
        pointers = (ctypes.c_void_p(hidden.ctypes.data), ctypes.c_void_p(output.ctypes.data))
        self._evaluate(ctypes.byref(model.training), model.stride, *pointers)
        return hidden[:, : x.shape[1]], output[:, : x.shape[1]]

    def noise(self, kind: str, key: tuple[int, int], step: int, n: int) -> Float32[np.ndarray, " n"]:
        """The ``n`` draws of one step, of standard deviation 1."""
        training = _Training(noise=NOISE.index(kind), step=step, key=key, sigma=1)
        draws = np.empty(_up(n, LANES), np.float32)
        self._noise(ctypes.byref(training), len(draws), ctypes.c_void_p(draws.ctypes.data))
        return draws[:n]


class _Model:
    """Parameters and samples in the layout of the kernel, and a ``_Training`` that points to them."""

    def __init__(
        self, matrices: Matrices, x: Float[np.ndarray, "in sample"], y: Float[np.ndarray, "out sample"]
    ) -> None:
        self._shapes = [matrix.shape for matrix in matrices]
        self._widths = np.array([matrices[0].shape[1] - 1, *(len(matrix) for matrix in matrices)], np.int32)
        self.parameters = pack(matrices)
        self.stride = _up(x.shape[1] + 1, LANES)
        self._samples = []
        for rows in (x, y):
            padded = np.zeros((_up(len(rows), 4), self.stride), np.float32)
            padded[: len(rows), : rows.shape[1]] = rows
            self._samples.append(padded)
        self.training = _Training(
            widths=self._widths.ctypes.data,
            x=self._samples[0].ctypes.data,
            y=self._samples[1].ctypes.data,
            parameters=self.parameters.ctypes.data,
            layers=len(matrices),
            stride=self.stride,
        )

    def matrices(self) -> list[Float32[np.ndarray, "_ _"]]:
        return unpack(self.parameters, self._shapes)


def pack(matrices: Matrices) -> Float32[np.ndarray, " parameter"]:
    """Weights in tiles of 4 x 4 padded with zeros, then biases; each layer padded to 16 numbers."""
    parts = []
    for matrix in matrices:
        out, columns = matrix.shape
        padded = np.zeros((_up(out, 4), _up(columns - 1, 4)), np.float32)
        padded[:out, : columns - 1] = matrix[:, :-1]
        tiles = padded.reshape(len(padded) // 4, 4, padded.shape[1] // 4, 4).swapaxes(1, 2)
        biases = np.zeros(_up(out, LANES), np.float32)
        biases[:out] = matrix[:, -1]
        parts += [tiles.ravel(), biases]
    return np.concatenate(parts)


def unpack(
    parameters: Float32[np.ndarray, " parameter"], shapes: Sequence[tuple[int, int]]
) -> list[Float32[np.ndarray, "_ _"]]:
    """The matrices of ``shapes`` that ``pack`` has laid out."""
    matrices, start = [], 0
    for out, columns in shapes:
        rows, inputs = _up(out, 4), _up(columns - 1, 4)
        biases = start + rows * inputs
        tiles = parameters[start:biases].reshape(rows // 4, inputs // 4, 4, 4).swapaxes(1, 2).reshape(rows, inputs)
        matrices.append(np.column_stack([tiles[:out, : columns - 1], parameters[biases : biases + out]]))
        start = biases + _up(out, LANES)
    return matrices


def _distinct(rows: Float[np.ndarray, "row sample"]) -> int:
    """How many samples precede those at the end that are all alike; all, if the last two differ."""
    n = rows.shape[1]
    differs = np.flatnonzero((rows != rows[:, -1:]).any(axis=0))
    distinct = int(differs[-1]) + 1 if len(differs) else 0
    return distinct if distinct < n - 1 else n


def _up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple
