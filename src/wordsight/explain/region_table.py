"""The ways from class names to a label map by name, and which is taken where none is named.

`region_methods.py` computes with them; this table alone is light enough for the help of a verb.
"""

AUTO = "auto"
DENSE = ("maskclip", "sclip", "clearclip", "naclip", "plain")  # of `inside.dense.WAYS`
ANY = ("proposals", "windows")  # fit every model, graphs alone too
REGION_METHODS = (*ANY, *DENSE)
DEFAULTS = {"vit": "naclip", "eva": "naclip", "resnet": "maskclip", "efficientnet": "plain"}  # docs/explain.md
OF_MEANS = "plain"  # for transformers that pool by the mean, where the others lose half (records/README.md)
BY = {"proposals": "masks that it sees one by one", "windows": "windows that slide over it"}
WITHOUT = "proposals"  # where no tower can be looked into; docs/explain.md has the figures


def in_words(method: str) -> str:
    """Return what a method goes by, for people: "embeddings of its parts (naclip)"."""
    return f"{BY.get(method, 'embeddings of its parts')} ({method})"
