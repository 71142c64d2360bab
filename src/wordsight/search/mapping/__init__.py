"""The map of a library: its images in two dimensions, like ones near, and clusters of them named by words.

`library_map.py` is the whole of it, `neighbours.py` which images are nearest to which, `layout.py` where they come to
lie, `mesh.py` how they push one another away, `clusters.py` where the map is dense, `naming.py` the words for it,
`placing.py` where added images go, and `kept.py` the file.
"""
