"""Result frames become figures; ``canvas`` alone knows matplotlib, which is imported when the first figure is drawn."""
