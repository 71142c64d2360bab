"""Images and words to unit rows: one call, in bulk, and on disk.  Does not know what the rows are used for."""
