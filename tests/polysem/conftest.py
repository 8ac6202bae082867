"""Shapes in polysem's signatures are checked whenever its tests run."""

from jaxtyping import install_import_hook

PACKAGE = (
    "incidental",
    "lora",
    "optimisers",
    "superposition",
    "data",
    "draws",
    "ensemble",
    "exact",
    "initial",
    "kernel",
    "mersenne",
    "metrics",
    "noise",
    "philox",
    "reference",
    "sae",
    "task",
)
FEATURES = ("features.matching", "features.responses")

install_import_hook([f"polysem.{name}" for name in PACKAGE + FEATURES], "beartype.beartype")
