"""From the name of a public model to its folder in the hub's cache, or the error that says what the name is.

    folder, called = by_name("ViT-B-32/openai", fetch=True)

A misspelt name is answered with the near ones of the catalogue first.  Free of PyTorch.
"""

import difflib
from pathlib import Path

from wordsight.base.errors import UnknownModel
from wordsight.towers.catalogue import names as architectures
from wordsight.weights.find import OURS, shown
from wordsight.weights.hub import fetch as fetch_model
from wordsight.weights.names import PREFIXES, Address, address, catalogue, near

LONGEST = 200  # letters of a name; the hub allows 96 (huggingface_hub, REPO_ID_REGEX), the catalogue's have 60
ALIKE = 0.8  # of two spellings, by difflib: one letter in eight differs


def by_name(name: str, *, fetch: bool) -> tuple[Path, str]:
    """Return where a public model lies, fetched if need be, and what it is called; else raise `UnknownModel`."""
    sensible = len(name) <= LONGEST and name.isprintable()
    location = address(name) if sensible else None
    if location is None:
        raise _unknown(name) if sensible else UnknownModel(f"no model {shown(name)}", cure=OURS)
    if not location.name and not name.lower().startswith(PREFIXES):
        _refuse_misspelt(name, location)
    try:
        return fetch_model(location, offline=not fetch), location.name or str(location)
    except UnknownModel as error:
        close = [] if location.name else near(name)
        if not close:
            raise
        raise UnknownModel(error.problem, cure=f"did you mean {' or '.join(close)}? Else {error.cure}") from None


def is_known(name: str) -> bool:
    """Say whether the catalogue has a model of this name, in any spelling."""
    try:
        location = address(name)
    except UnknownModel:
        return False
    return location is not None and bool(location.name)


def _refuse_misspelt(name: str, location: Address) -> None:
    """Refuse what has the form of a hub's name but is a path without a file, or a catalogue's name misspelt."""
    organisation, _, rest = location.repository.partition("/")
    if Path(organisation).is_dir():
        cure = f"check the path; a model on the hub is hf-hub:{name}"
        raise UnknownModel(f"no model {name!r}: there is no {rest} in the folder {organisation}", cure=cure)
    shapes = {model.name.partition("/")[0].lower() for model in catalogue() if model.name != model.hub}
    close = near(name)
    if close and difflib.get_close_matches(organisation.lower(), shapes, n=1, cutoff=ALIKE):
        cure = f"did you mean {' or '.join(close)}? A model on the hub is hf-hub:{name}"
        raise UnknownModel(f"no model {name!r}", cure=cure)


def _unknown(name: str) -> UnknownModel:
    shapes = {known.lower(): known for known in architectures()}
    plain = name.replace("/", "-").lower()
    if plain in shapes:
        return UnknownModel(f"{name!r} is an architecture ({shapes[plain]}), not weights", cure=OURS)
    close = near(name)
    trained = [shapes[key] for key in difflib.get_close_matches(plain, shapes, n=2, cutoff=ALIKE)]
    if trained and not close:
        cure = f"did you mean the architecture {' or '.join(trained)}? It has no weights: {OURS}"
    else:
        cure = (
            f"did you mean {' or '.join(close)}?"
            if close
            else f"there is no such folder; take a name that 'wordsight models' lists, {OURS}"
        )
    return UnknownModel(f"no model {name!r}", cure=cure)
