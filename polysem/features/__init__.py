"""Qualitative feature analysis: what the latents of two trained sparse autoencoders encode, laid side by side."""
