"""Result frames become figures, written as SVG."""
