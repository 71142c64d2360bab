"""The same and nearly the same images of a library: found, confirmed by their pixels, and put out of the way."""
