"""Pictures that readers of the two papers know, drawn from stored runs of `polysem.superposition` and `.incidental`."""
