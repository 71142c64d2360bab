"""What the checks of several towers ask of the numbers in a spec; each raises `ConfigError`.  Free of PyTorch."""

from wordsight.base.errors import ConfigError


def check_blocks(size: int, *, patch: int, width: int, heads: int, drop_path: float) -> None:
    """Refuse blocks over patches that cannot be built; what is beyond the last whole patch is not looked at."""
    multiple("image.width", width, "image.heads", heads)
    if patch < 1 or size < patch:
        raise ConfigError(f"image.size = {size} with image.patch = {patch}", cure="give a larger size")
    share("image.drop_path", drop_path)


def share(name: str, value: float) -> None:
    """Refuse what is no share of all that leaves something."""
    if not 0.0 <= value < 1.0:
        raise ConfigError(f"{name} = {value}", cure="give a share from 0 to below 1")


def check_size(size: int) -> None:
    """Refuse an image size below one pixel."""
    if size < 1:
        raise ConfigError(f"image.size = {size}", cure="give the side of the pictures in pixels")


def only(name: str, value: object, allowed: object, where: str) -> None:
    """Refuse a value that does not go with another; `allowed` is one value or a tuple of them."""
    choices = allowed if isinstance(allowed, tuple) else (allowed,)
    if value not in choices:
        wanted = " or ".join(repr(choice) for choice in choices if choice is not None)
        raise ConfigError(f"{name} = {value!r} with {where}", cure=f"only {wanted} goes with it")


def multiple(name: str, value: int, of: str, divisor: int) -> None:
    """Refuse a value that is not a positive multiple of another."""
    if divisor < 1 or value < 1 or value % divisor:
        cure = (
            f"give {of} a divisor of it, or {name} a multiple of {divisor}"
            if divisor >= 1
            else f"give {of} a value above 0"
        )
        raise ConfigError(f"{name} = {value} is not a multiple of {of} ({divisor})", cure=cure)


def same(name: str, value: int, other: str, expected: int) -> None:
    """Refuse two values that are not the same."""
    if value != expected:
        raise ConfigError(f"{name} = {value} but {other} = {expected}", cure="give both the same value")


def hidden(name: str, units: int) -> None:
    """Refuse a number of hidden units below 0."""
    if units < 0:
        raise ConfigError(f"{name} = {units}", cure="give the number of hidden units, 0 for none")
