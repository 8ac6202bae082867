"""A seed becomes prompts over eight binary attributes with known labels: to train on, and held out in three ways.

Attributes come in the post's three correlated groups. Each group has one output, which is no sum of its attributes. A
sentence names all attributes; the outputs are to be told at its last token. What a seed draws: the words that stand for
an attribute, which templates and which combinations of attributes are held out, and the prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from polysem.streams import stream

N_ATTRIBUTES = 8
GROUPS = ((0, 1, 2), (3, 4), (5, 6, 7))
OUTPUTS = ("x0 and (x1 or x2)", "x3 or x4", "most of x5, x6, x7")

WORDS: Sequence[Sequence[tuple[str, str]]] = (
    (("small", "large"), ("tiny", "huge"), ("short", "tall")),
    (("light", "heavy"), ("empty", "full"), ("soft", "hard")),
    (("paper", "metal"), ("wooden", "plastic"), ("glass", "stone")),
    (("morning", "evening"), ("night", "day"), ("Monday", "Friday")),
    (("sunny", "rainy"), ("warm", "cold"), ("calm", "windy")),
    (("woman", "man"), ("girl", "boy"), ("doctor", "teacher")),
    (("happy", "sad"), ("young", "old"), ("quiet", "loud")),
    (("car", "train"), ("boat", "plane"), ("bus", "truck")),
)
"""Attribute -> pairs of words for 0 and 1, of which a seed takes one."""

TEMPLATES = (
    "The {6} {5} sent a {0} {1} {2} box by {7} on a {4} {3}. Code:",
    "On a {4} {3} the {6} {5} took a {0} {1} {2} box by {7}. Code:",
    "By {7} came a {0} {1} {2} box for the {6} {5} one {4} {3}. Code:",
    "One {4} {3} a {0} {1} {2} box went by {7} to the {6} {5}. Code:",
    "A {0} {1} {2} box was left by the {6} {5} in a {7} one {4} {3}. Code:",
    "In the {7} lay a {0} {1} {2} box the {6} {5} lost one {4} {3}. Code:",
    "The {5}, {6}, kept a {2} {0} {1} box in the {7} that {4} {3}. Code:",
    "The {7} had a {1} {0} box of {2} one {4} {3} for a {6} {5}. Code:",
    "That {3} was {4}: the {6} {5} got a {1} {0} {2} box by {7}. Code:",
    "It was a {4} {3}; by {7} the {6} {5} sold a {2} {0} {1} box. Code:",
    "So {0} and {1} a {2} box by {7}, said the {6} {5} that {4} {3}. Code:",
    "Late that {4} {3} a {7} brought the {6} {5} a {1} {0} {2} box. Code:",
)

ANSWERS = ((" red", " blue"), (" north", " south"), (" gold", " silver"))
"""Output -> the words that say 0 and 1; what is scored is the difference of their logits."""

HELD_OUT_TEMPLATES, HELD_OUT_COMBINATIONS = 3, 64
KINDS = ("templates", "combinations", "both")
"""What is new in prompts held out: the template, the combination of attributes, or both."""

Attributes = Float[np.ndarray, "prompt attribute"]
Labels = Int[np.ndarray, "prompt output"]


@dataclass(frozen=True, eq=False)
class Prompts:
    """Sentences, what they say, and what is to be answered."""

    texts: Sequence[str]
    x: Attributes
    y: Labels


def labels(x: Attributes) -> Labels:
    """The three outputs, one a group, by the rules ``OUTPUTS``.

    >>> labels(np.array([[1, 0, 1, 0, 0, 1, 0, 1], [0, 1, 1, 0, 1, 1, 0, 0]], float)).tolist()
    [[1, 0, 1], [0, 1, 0]]
    """
    on = x > 0.5
    outputs = (on[:, 0] & (on[:, 1] | on[:, 2]), on[:, 3] | on[:, 4], on[:, 5:8].sum(axis=1) >= 2)
    return np.stack(outputs, axis=1).astype(np.intp)


def draw(seed: int, *, n_train: int, n_held_out: int, copied: float) -> tuple[Prompts, Prompts]:
    """Prompts to train on, and ``n_held_out`` of each of the three ``KINDS``, in their order.

    ``copied`` is the probability that an attribute takes its group's shared fair bit, else it is a fair bit of its own:
    two attributes of a group correlate by its square.
    """
    rng = stream(seed, "data", "lora prompts")
    words = [pairs[int(rng.integers(len(pairs)))] for pairs in WORDS]
    templates = rng.permutation(len(TEMPLATES))
    new_templates, old_templates = np.split(templates, [HELD_OUT_TEMPLATES])
    chance = combination_chances(copied)
    new, old = np.split(rng.permutation(len(chance)), [HELD_OUT_COMBINATIONS])

    def some(n: int, among: Int[np.ndarray, " template"], combinations: Int[np.ndarray, " combination"]) -> Prompts:
        weight = chance[combinations]
        drawn = rng.choice(combinations, n, p=weight / weight.sum())
        x = _bits(drawn)
        chosen = [TEMPLATES[k] for k in rng.choice(among, n)]
        texts = [
            template.format(*(pair[int(bit)] for pair, bit in zip(words, row, strict=True)))
            for template, row in zip(chosen, x, strict=True)
        ]
        return Prompts(texts, x, labels(x))

    train = some(n_train, old_templates, old)
    kinds = ((new_templates, old), (old_templates, new), (new_templates, new))
    parts = [some(n_held_out, *kind) for kind in kinds]
    texts = [text for part in parts for text in part.texts]
    return train, Prompts(texts, np.concatenate([p.x for p in parts]), np.concatenate([p.y for p in parts]))


def combination_chances(copied: float) -> Float[np.ndarray, " combination"]:
    """How likely each of the 2^8 combinations is; attribute i of combination c is bit i of c."""
    x = _bits(np.arange(2**N_ATTRIBUTES))
    chance = np.ones(len(x))
    for group in GROUPS:
        by_bit = [np.where(x[:, group] == bit, (1 + copied) / 2, (1 - copied) / 2).prod(axis=1) for bit in (0, 1)]
        chance *= sum(by_bit) / 2
    return chance


def _bits(combinations: Int[np.ndarray, " prompt"]) -> Attributes:
    return ((combinations[:, None] >> np.arange(N_ATTRIBUTES)) & 1).astype(float)
