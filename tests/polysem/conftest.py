"""Shapes in polysem's signatures are checked whenever its tests run."""

from jaxtyping import install_import_hook

install_import_hook(
    [
        f"polysem.{name}"
        for name in ("data", "draws", "ensemble", "metrics", "network", "noise", "parameters", "train", "sae")
    ],
    "beartype.beartype",
)
