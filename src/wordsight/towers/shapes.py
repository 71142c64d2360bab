"""The names and shapes of every parameter of a spec's towers, without building them.  Free of PyTorch.

    shapes(spec)["visual.proj"]     # (768, 512)
"""
