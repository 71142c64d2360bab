"""The options of `wordsight serve` that say who may ask, and from where."""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.base.errors import UsageError

if TYPE_CHECKING:
    from wordsight.serve.safety.settings import SafetySettings

VARIABLE = "WORDSIGHT_API_KEY"


def add_safety(parser: ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument_group("who may ask").add_argument
    add(
        "--api-key", action="append", default=[], metavar="KEY", help=f"a key that may do all; again: more ({VARIABLE})"
    )
    add("--keys", type=Path, metavar="FILE", help="a file of keys, with their scopes, limits and ends")
    add("--new-key", metavar="NAME", help="make a key, print it once, write its hash into --keys FILE; serves nothing")
    add("--scope", choices=("read", "write"), help="what a new key may (default: read; write: all)")
    add("--per-minute", type=int, metavar="N", help="requests a minute of a new key (default: no limit)")
    add("--expires", metavar="DATE|DAYS", help="the last day of a new key, or days such as 90d (default: none)")
    add("--no-key", action="store_true", help="serve beyond this machine without keys")
    add("--allow-host", action="append", default=[], metavar="NAME", help="a name the server is called by; again: more")
    add("--allow-origin", action="append", default=[], metavar="URL", help="a site whose pages may ask; again: more")
    add("--allow-urls", action="store_true", help="images may be named by web addresses, and are fetched")
    add(
        "--behind-proxy",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="a proxy whose X-Forwarded-* are believed",
    )


def make_key(args: Namespace) -> None:
    """Make the key of `--new-key` and print it."""
    from wordsight.base.progress import notice
    from wordsight.serve.safety.keys import NewKey, add_key

    if args.keys is None:
        raise UsageError(f"--new-key {args.new_key} without a file", cure="add --keys FILE")
    new = NewKey(args.new_key, args.scope or "read", args.per_minute, args.expires or "")
    key = add_key(args.keys, new)
    notice(f"{args.keys} has its hash; the key itself is shown this once:")
    print(key)


def safety_of(args: Namespace) -> "SafetySettings":
    """Return who may ask, as the options say."""
    from wordsight.serve.safety.keys import checked_hash
    from wordsight.serve.safety.settings import SafetySettings

    for option in ("scope", "per_minute", "expires"):
        if getattr(args, option) is not None:
            raise UsageError(f"--{option.replace('_', '-')} without --new-key", cure="it is of a key that is made")
    given = [*args.api_key, *filter(None, [os.environ.get(VARIABLE)])]
    if args.no_key and (given or args.keys):
        raise UsageError("--no-key with a key", cure=f"leave out one; keys come from --api-key, --keys and {VARIABLE}")
    return SafetySettings(
        key_hashes=tuple(checked_hash(key) for key in given),
        no_key=args.no_key,
        allow_hosts=tuple(args.allow_host),
        allow_origins=tuple(args.allow_origin),
        proxies=tuple(args.behind_proxy),
    )
