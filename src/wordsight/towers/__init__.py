"""Two towers: image encoders, the text transformer, their specs and the builder.

`wordsight.towers.spec` is free of PyTorch; everything else here is PyTorch.
"""
