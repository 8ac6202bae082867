"""Sparse autoencoders, one file a variant."""
