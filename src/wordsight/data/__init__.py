"""Pictures with words, from whatever they lie in: sources, shards, caches, batches.  Free of PyTorch but for the loader."""
