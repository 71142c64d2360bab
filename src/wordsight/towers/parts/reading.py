"""What a text tower reads of the padding, by its mask and its pooling.  Free of PyTorch."""


def reads_padding(mask: str, pool: str) -> bool:
    """Return whether an embedding depends on how far the text is filled up."""
    if mask == "causal":
        return pool not in ("end", "first")
    return mask == "none" or pool not in ("end", "first", "mean")
