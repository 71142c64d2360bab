"""What people call public models, and where those lie: any spelling in use to an address on the hub.

    address("ViT-B/32"), address("ViT-B-32,laion2b_s34b_b79k"), address("hf-hub:laion/CLIP-...@revision")

`catalogue.toml` lists the models known by name.  Free of PyTorch; opens no connection.
"""

import difflib
import re
import tomllib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from wordsight.base.config import from_dict
from wordsight.base.errors import UnknownModel
from wordsight.weights.find import NAME

CATALOGUE = Path(__file__).parent / "catalogue.toml"
PREFIXES = ("open_clip:", "openclip:", "hf-hub:", "hf_hub:", "hf_clip:", "hf:")
HUB_NAME = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")
# OpenAI's own names (clip.available_models()), which say no source
OPENAI = {
    "ViT-L/14@336px": "ViT-L-14-336",
    **{name: name for name in ("RN50", "RN101", "RN50x4", "RN50x16", "RN50x64")},
    **{name: name.replace("/", "-") for name in ("ViT-B/32", "ViT-B/16", "ViT-L/14")},
}


@dataclass(frozen=True, slots=True)
class PublicModel:
    """One row of the catalogue: `size` in pixels, `parameters` in millions, `imagenet` zero-shot top-1 in percent."""

    name: str
    hub: str
    width: int
    size: int
    licence: str
    parameters: float | None = None
    imagenet: float | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    """A repository on the hub, at a revision (branch, tag or commit)."""

    repository: str
    revision: str = "main"
    name: str = ""

    def __str__(self) -> str:
        return self.repository if self.revision == "main" else f"{self.repository}@{self.revision}"


@cache
def catalogue() -> tuple[PublicModel, ...]:
    """Return all models known by name; `source` is spelled out."""
    values = tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))
    sources = {"": "", **values["sources"]}
    rows = (from_dict(PublicModel, row) for row in values["models"])
    return tuple(replace(row, source=sources[row.source]) for row in rows)


def address(name: str) -> Address | None:
    """Return where a public model lies, or None when `name` cannot be the name of one.

    An architecture's name alone, or with weights that do not exist, raises `UnknownModel` listing them.
    """
    prefix = next((prefix for prefix in PREFIXES if name.lower().startswith(prefix)), "")
    bare = name[len(prefix) :]
    if bare in OPENAI:
        bare = f"{OPENAI[bare]}/openai"
    bare, _, revision = bare.partition("@")
    known = _known().get(_key(bare)) or _known().get(_key(bare).replace("-quickgelu/", "/"))
    if known is not None:
        return Address(known.hub, revision or "main", known.name)
    _refuse_bare_architecture(name, bare)
    if HUB_NAME.fullmatch(bare):
        return Address(bare, revision or "main")
    return None


def near(name: str, count: int = 3) -> list[str]:
    """Return the names of the catalogue that are spelled most like `name`."""
    spelled = {NAME: NAME, **{_key(model.name): model.name for model in catalogue()}}
    return [spelled[key] for key in difflib.get_close_matches(_key(name), spelled, n=count, cutoff=0.6)]


def _refuse_bare_architecture(name: str, bare: str) -> None:
    shape, _, weights = _key(bare).partition("/")
    tags = [m.name for m in catalogue() if m.name != m.hub and _key(m.name).startswith(f"{shape}/")]
    if tags:
        problem = f"no weights {name!r}" if weights else f"{name!r} is an architecture, not weights"
        raise UnknownModel(problem, cure=f"choose one of {', '.join(tags)}")


@cache
def _known() -> dict[str, PublicModel]:
    named = {_key(model.name): model for model in catalogue()}
    return {**{_key(model.hub): model for model in catalogue()}, **named}


def _key(name: str) -> str:
    """One spelling for all: "::", "__" and "," before the weights are "/", "_" is "-", case says nothing."""
    joined = re.sub(r"::|__|,\s*", "/", name.strip())
    return joined.lower().replace("_", "-")
