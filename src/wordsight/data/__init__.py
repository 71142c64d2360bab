"""Images with words, from whatever they lie in: sources, shards, caches, batches.

Free of PyTorch but for `loader` and `augment_torch`.
"""
