"""The architectures that come with the package, one TOML file each beside this module.

An architecture is a shape, not weights: `architecture("ViT-B-32")` is a `ModelSpec` for
`wordsight.towers.build.build`.  A new one is a new file.  Free of PyTorch.
"""

import difflib
from pathlib import Path

from wordsight.base.config import from_dict, read_toml
from wordsight.base.errors import ConfigError
from wordsight.towers.check import check_spec
from wordsight.towers.spec import ModelSpec

FOLDER = Path(__file__).parent / "architectures"


def names() -> list[str]:
    """Return the names of all architectures, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def architecture(name: str) -> ModelSpec:
    """Return the spec of a named architecture ("ViT-B/32" is read as "ViT-B-32"); unknown names raise `ConfigError`."""
    wanted = name.replace("/", "-")
    known = {known.lower(): known for known in names()}
    if wanted.lower() not in known:
        near = difflib.get_close_matches(wanted, names(), n=3, cutoff=0.5)
        cure = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names())}"
        raise ConfigError(f"no architecture {name!r}", cure=cure)
    return _read(FOLDER / f"{known[wanted.lower()]}.toml")


def _read(path: Path) -> ModelSpec:
    spec = from_dict(ModelSpec, {"name": path.stem, **read_toml(path)})
    check_spec(spec)
    return spec
