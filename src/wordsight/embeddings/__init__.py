"""Images and texts to unit embeddings: one call, in bulk, and on disk.  Does not know what they are used for."""
