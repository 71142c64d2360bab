"""What learns of two towers, and how fast: the table `train` of a recipe, put into effect.

    rates = choose(towers, config.train)             # the parameters, each with a factor of the learning rate
    rates = freeze(towers, rates, config.train, …)   # the others have no gradient any more
    train_mode(towers)                               # their layers stay in evaluation mode

Knows of towers what their families say: which parameter lies at which depth (`wordsight.towers.layers`).
"""

from collections.abc import Collection

from torch import Tensor, nn

from wordsight.base.errors import ConfigError
from wordsight.towers.families import image_family, text_family
from wordsight.towers.layers import Depths
from wordsight.towers.spec import ModelSpec
from wordsight.towers.two import TwoTowers
from wordsight.train.config import PARTS, LearnConfig, TowerName
from wordsight.train.lora import add_low_rank, low_rank_names

SCALARS = "logit_"  # scale and bias begin so; they learn in every run


def names_of(towers: nn.Module, part: TowerName) -> list[str]:
    """Return the names of one tower's parameters and buffers in `TwoTowers`."""
    names = [name for name in towers.state_dict() if not name.startswith(SCALARS)]
    return [name for name in names if name.startswith("visual.") == (part == "image")]


def before_projection(towers: TwoTowers, part: TowerName) -> dict[str, Tensor]:
    """Return the parameters and buffers of a tower that lie before its projection; its family says which these are."""
    names = names_of(towers, part)
    depths = depths_of(names, towers.spec, part)
    assert depths is not None, "a family without layers has no last:N"
    state = towers.state_dict(keep_vars=True)
    return {name: state[name] for name in names if depths.of[name] != depths.projection}


def depths_of(names: list[str], spec: ModelSpec, part: TowerName) -> Depths | None:
    """Return at which depth each of one tower's weights lies, None where its family does not say."""
    layers = image_family(spec.image).layers if part == "image" else text_family(spec.text).layers
    if layers is None:
        return None
    before = "visual." if part == "image" else "" if text_family(spec.text).at_root else "text."
    depths = layers.depths([name.removeprefix(before) for name in names])
    return Depths({f"{before}{name}": depth for name, depth in depths.of.items()}, depths.blocks)


def choose(towers: TwoTowers, config: LearnConfig, *, new: Collection[str] = ()) -> dict[str, float]:
    """Return the names of the parameters that learn, each with a factor of the learning rate.

    Of a tower with additions they are those of the weights that get one, and of a projection that is `new`.
    """
    rates = {name: 1.0 for name, _ in towers.named_parameters() if name.startswith(SCALARS)}
    for part in PARTS:
        rates |= _of_tower(towers, config, part, new)
    return rates


def _of_tower(towers: TwoTowers, config: LearnConfig, part: TowerName, new: Collection[str]) -> dict[str, float]:
    parameters = dict(towers.named_parameters())
    names = [name for name in names_of(towers, part) if name in parameters]
    what: str = getattr(config, part)
    depths = depths_of(names, towers.spec, part)
    if rank_of(what):
        additions = set(low_rank_names(towers))
        names = [name for name in names if name in additions or name in new]
    if depths is None:
        _refuse_unknown(towers.spec, part, what, config.layer_decay)
        return dict.fromkeys(names if what == "all" or rank_of(what) else (), 1.0)
    first = _first_depth(depths, part, what)
    return {name: _rate(config, depths, depths.of[name]) for name in names if depths.of[name] >= first}


def _rate(config: LearnConfig, depths: Depths, depth: int) -> float:
    """Return the factor of the learning rate at a depth: 1 for the projection, less for what lies before it."""
    return 1.0 if depth == depths.projection else config.trunk * config.layer_decay ** max(depths.blocks + 1 - depth, 0)


def first_block(towers: TwoTowers, part: TowerName, what: str) -> int:
    """Return the number of the first block that learns of "last:N", counted from 0."""
    depths = depths_of(names_of(towers, part), towers.spec, part)
    assert depths is not None, "a family without layers has no last:N"
    return _first_depth(depths, part, what) - 1


def rank_of(what: str) -> int:
    """Return the rank of the additions that a tower learns with, 0 for none."""
    return int(what.removeprefix("lora:")) if what.startswith("lora:") else 0


def freeze(
    towers: TwoTowers, rates: dict[str, float], config: LearnConfig, *, new: Collection[str]
) -> dict[str, float]:
    """Let only the parameters named in `rates` learn; a tower with additions learns these in place of its weights.

    Returns the names and factors of what learns then.
    """
    for name, parameter in towers.named_parameters():
        parameter.requires_grad_(name in rates)
    learned = dict(rates)
    for part in PARTS:
        rank = rank_of(getattr(config, part))
        if rank:
            weights = [name for name in names_of(towers, part) if name in rates and name not in new]
            for weight, added in add_low_rank(towers, weights, rank=rank).items():
                learned |= dict.fromkeys(added, learned.pop(weight))
    return learned


def train_mode(towers: nn.Module, kept: Collection[str] = ()) -> None:
    """Set training mode, but evaluation mode where nothing learns: no dropout, batch norm's statistics as they are.

    That is the mode of the batch norms named in `kept` too, whose gains learn.  A layer without parameters goes with
    the one before it.
    """
    towers.train()
    for module in towers.modules():
        still = False
        for child in module.children():
            parameters = list(child.parameters())
            if parameters:
                still = not any(parameter.requires_grad for parameter in parameters)
            if still:
                child.eval()
    for name in kept:
        towers.get_submodule(name).eval()


def _first_depth(depths: Depths, part: TowerName, what: str) -> int:
    """Return the depth from which a tower learns."""
    if what == "all" or rank_of(what):
        return 0
    if what == "none":
        return depths.projection + 1
    if what == "projection":
        if depths.projection not in depths.of.values():
            raise ConfigError(
                f'train.{part} = "projection" of a tower without one', cure=f'set train.{part} = "last:1"'
            )
        return depths.projection
    number = int(what.removeprefix("last:"))
    if number > depths.blocks:
        cure = f'give at most last:{depths.blocks}, or "all"'
        raise ConfigError(f"train.{part} = {what!r} of a tower of {depths.blocks} blocks", cure=cure)
    return depths.blocks + 1 - number


def _refuse_unknown(spec: ModelSpec, part: TowerName, what: str, decay: float) -> None:
    kind = getattr(spec, part).kind
    if what not in ("all", "none") and not rank_of(what):
        cure = f'set train.{part} = "all", "none" or "lora:8"'
        raise ConfigError(f'train.{part} = {what!r} for a tower of kind "{kind}", whose layers are unknown', cure=cure)
    if decay != 1 and what != "none":
        cure = "set train.layer_decay = 1"
        raise ConfigError(f'train.layer_decay for a tower of kind "{kind}", whose layers are unknown', cure=cure)
