"""Sparse autoencoders, one file a variant; ``evaluate`` runs any of them on given weights."""

from polysem.sae.evaluation import Evaluation, evaluate, latents_at_inference

__all__ = ["Evaluation", "evaluate", "latents_at_inference"]
