"""Images with captions, from whatever holds them: sources, shards, caches, batches.

Free of PyTorch but for `loader` and `augment_torch`.
"""
