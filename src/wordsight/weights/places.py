"""Where Wordsight keeps what it makes of public models: $WORDSIGHT_CACHE, else `wordsight` in the user's cache."""

import os
from pathlib import Path

VARIABLE = "WORDSIGHT_CACHE"


def cache_folder() -> Path:
    """Return the cache folder, which may not exist yet ($XDG_CACHE_HOME or ~/.cache hold the default)."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wordsight"
