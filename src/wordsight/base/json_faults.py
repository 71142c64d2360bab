"""What is wrong with a text that is no JSON, in words for people: what Python says names its own insides."""

DIGITS, DEEP = "a number of too many digits", "lists or objects are nested too deeply"


def fault_of(error: ValueError | RecursionError) -> str:
    """Return what `json.loads` found: where the text breaks, or the limit that it exceeds."""
    if isinstance(error, RecursionError):
        return DEEP
    return DIGITS if "set_int_max_str_digits" in str(error) else str(error)
