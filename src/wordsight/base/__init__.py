"""The ground floor: nouns, errors, configuration, files, records.  Knows nothing of the rooms above."""
