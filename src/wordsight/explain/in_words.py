"""What an explanation says to people: a verdict and a short figure for each map, and whole sentences of its checks.

verdict(why, 0)            # "stands", "fails", "even" or "not checked"
figure(why, 0)             # 0.215 above the mean of 19 random maps, p = 0.05
sentences(why, 0)          # what was done, the figure, what it means
"""

from typing import TYPE_CHECKING, Literal

import numpy as np

from wordsight.explain.sanity import SWAP_LIMIT, SanityCheck

if TYPE_CHECKING:
    from wordsight.explain.explanation import Explanation
    from wordsight.explain.faithfulness import Faithfulness

MapVerdict = Literal["stands", "fails", "even", "not checked"]
_SANITY = {  # name of the check: what was done, and what it means that maps differ, or do not
    "text swap": (
        f"Another text: up to {SWAP_LIMIT:.2f} counts as different, and this map and that of another text have",
        "the map follows the text",
        "the map hardly asks for the text",
    ),
    "randomised": (
        "Random weights: the map of the same towers before they learned anything has",
        "the map rests on what was learned",
        "much of the map is there without anything learned",
    ),
}
EVEN = "The image is of one colour, so the map is even: no part of it stands out, and nothing is claimed."


def verdict(why: "Explanation", number: int) -> MapVerdict:
    """Return what came of the checks of a text's map."""
    if why.is_even:
        return "even"
    passes = why.passes(number)
    return "not checked" if passes is None else "stands" if passes else "fails"


def figure(why: "Explanation", number: int) -> str:
    """Return the figure that stands beside a map, "" where it was not tested."""
    if why.is_even or not why.trust:
        return ""
    one = why.trust[number]
    gain = one.better_than_random
    side = "above" if gain >= 0 else "below"
    return f"{abs(gain):.3f} {side} the mean of {len(one.randoms)} random maps, p = {one.p_value:.2f}"


def sentences(why: "Explanation", number: int) -> list[str]:
    """Return the checks of a text's map in sentences."""
    if why.is_even:
        return [EVEN]
    return [sanity_sentence(one) if isinstance(one, SanityCheck) else _faithful(one) for one in why.checks(number)]


def sanity_sentence(check: SanityCheck) -> str:
    """Return what a sanity check did, its figure and what it means."""
    what, stands, fails = _SANITY[check.name]
    alike = f"a rank correlation of {check.correlation:+.2f}" + (
        "" if check.ssim is None else f", SSIM {check.ssim:.2f}"
    )
    return f"{what} {alike}: {stands if check.passes else f'{fails}, it fails'}."


def _faithful(one: "Faithfulness") -> str:
    mean = float(np.mean([random.gap for random in one.randoms]))
    beaten = sum(random.gap < one.areas.gap for random in one.randoms)
    return (
        f"Hiding and showing: the cosine is {one.areas.deletion:.3f} on average while the map's strongest parts go "
        f"first, and {one.areas.insertion:.3f} while they come first. The gap of {one.areas.gap:+.3f} beats {beaten} "
        f"of {len(one.randoms)} random maps (mean {mean:+.3f}; the centre of the image {one.centre.gap:+.3f}), "
        f"p = {one.p_value:.2f}: {'it stands' if one.passes else 'no better than chance, it fails'}."
    )
