"""A terminal program over a library: the room of `wordsight browse`."""
