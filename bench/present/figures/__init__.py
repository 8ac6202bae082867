"""Result frames become pictures: one file a kind, each a function frames -> ``Figure``, in one house style."""
