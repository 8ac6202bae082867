"""A report -> the text of one format; renderers add syntax and compute nothing."""
