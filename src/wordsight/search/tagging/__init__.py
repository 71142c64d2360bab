"""Tags: which labels of a label set the images of a library show, noted as a column, and as keywords beside files.

`job.py` is the whole of it, `rating.py` how likely each label is, `examples.py` and `thresholds.py` what people say
about that, `walking.py` all images in little memory, `record.py` what the last run was, `sidecars.py` the XMP files,
`undoing.py` the way back.
"""
