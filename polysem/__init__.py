"""Experiments on polysemanticity: toy networks, their sparse autoencoders, and the metrics of both."""
