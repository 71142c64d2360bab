"""A shorter vocabulary for a text encoder: rows of its token table are left out, and their lines of `vocab.txt`.

    small = trimmed(trunk, kept)     # `kept`: the tokens that stay, as vocab.txt writes them ("dog", "##s")

Special tokens and single characters always stay, so a word that is left out falls apart into what is there.
"""

from collections.abc import Collection
from dataclasses import replace

from wordsight.base.errors import UsageError
from wordsight.text.wordpiece import FILE, INSIDE, SPECIALS, read_list
from wordsight.weights.trunk import TextTrunk

TABLE = "text.token_embedding.weight"


def trimmed(trunk: TextTrunk, kept: Collection[str]) -> TextTrunk:
    """Return the encoder with these tokens alone; one whose tokenizer has no `vocab.txt` is a `UsageError`."""
    if FILE not in trunk.tokenizer_files:
        raise UsageError(f"a tokenizer of kind {trunk.tokenizer.kind} has no {FILE}", cure="only wordpiece is trimmed")
    ids = read_list(trunk.tokenizer_files[FILE])
    wanted = {*kept, *SPECIALS, *(token for token in ids if len(token.removeprefix(INSIDE)) == 1)}
    rows = sorted(number for token, number in ids.items() if token in wanted)
    new = {old: number for number, old in enumerate(rows)}
    names = {number: token for token, number in ids.items()}
    tokenizer = replace(
        trunk.tokenizer,
        vocabulary_size=len(rows),
        pad_id=new[trunk.tokenizer.pad_id],
        start_id=None if trunk.tokenizer.start_id is None else new[trunk.tokenizer.start_id],
        end_id=None if trunk.tokenizer.end_id is None else new[trunk.tokenizer.end_id],
    )
    return replace(
        trunk,
        spec=replace(trunk.spec, vocabulary_size=len(rows), pad_id=tokenizer.pad_id),
        tokenizer=tokenizer,
        tokenizer_files={FILE: "".join(f"{names[row]}\n" for row in rows).encode()},
        weights={**trunk.weights, TABLE: trunk.weights[TABLE][rows]},
        left_out=(*trunk.left_out, f"{TABLE}: {len(ids) - len(rows)} tokens"),
    )
