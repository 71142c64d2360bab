"""What an explanation says to people: a verdict and a short figure for each map, and whole sentences of its checks.

verdict(why, 0)            # "stands", "fails", "even" or "not checked"
figure(why, 0)             # 0.215 above the mean of 19 random maps, p = 0.05
sentences(why, 0)          # what was done, the figure, what it means
answer(why)                # The model prefers “a cat” (71.4 %) to “a dog” (28.6 %), among these 2 texts.
verdict_in_words("fails", checks(why, 0))            # ✗ fails 1 of 2 checks (another text): do not read it
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np

from wordsight.explain.perturbed import is_of_one_colour
from wordsight.explain.sanity import RANDOMISED_LIMIT, SSIM_LIMIT, SWAP_LIMIT, SanityCheck

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
        f"Random weights: up to {RANDOMISED_LIMIT:.2f} either way (and an SSIM of up to {SSIM_LIMIT:.2f}) counts as "
        "different, and this map and that of the same towers before they learned anything have",
        "the map rests on what was learned",
        "much of the map is there without anything learned",
    ),
}
HIDING, RANDOM, ANOTHER = "hiding and showing", "random weights", "another text"  # the checks, as people read them
SIGNS = {"stands": "✓", "fails": "✗", "even": "–", "not checked": "?"}
_CHECKS = {"randomised": RANDOM, "text swap": ANOTHER}
ONE_COLOUR = "The image is of one colour, so the map is even: no part of it stands out, and nothing is claimed."
EVEN = "Nothing in the map speaks for this text: by this method no part stands out, and nothing is claimed."


def verdict(why: "Explanation", number: int) -> MapVerdict:
    """Return what came of the checks of a text's map."""
    if why.is_even(number):
        return "even"
    passes = why.passes(number)
    return "not checked" if passes is None else "stands" if passes else "fails"


def checks(why: "Explanation", number: int) -> dict[str, bool]:
    """Return the checks that were made of a text's map by name, and whether it stood each."""
    return {_CHECKS[one.name] if isinstance(one, SanityCheck) else HIDING: one.passes for one in why.checks(number)}


def verdict_in_words(verdict: str, checks: Mapping[str, bool]) -> str:
    """Return a verdict with its sign and how many checks it rests on; records of old name no checks."""
    words = verdict
    if verdict == "even":
        words = "even: claims nothing"
    elif verdict == "fails":
        failed = [name for name, passes in checks.items() if not passes]
        words += f" {len(failed)} of {len(checks)} checks ({', '.join(failed)})" if failed else ""
        words += ": do not read it"
    elif verdict == "stands" and checks:
        words += f" {len(checks)} of {len(checks)} checks"
    return f"{SIGNS[verdict]} {words}"


def shift_in_words(first: str, second: str) -> str:
    """Return what the verdicts of two maps say of their difference, "" where both stand or nothing was checked."""
    if "fails" in (first, second):
        return f"{SIGNS['fails']} {'both maps fail' if first == second else 'one map fails'}"
    return f"{SIGNS['even']} even: claims nothing" if "even" in (first, second) else ""


def answer(why: "Explanation") -> str:
    """Return in a sentence what the model says of the image, and among what a probability is."""
    if why.probabilities is None:
        return (
            f"The image and “{why.texts[0]}” have a cosine of {why.cosines[0]:.3f}; one text alone has no probability: "
            "give others to compare it with."
        )
    pairs = zip(why.texts, why.probabilities.tolist(), strict=True)
    stated = [f"“{text}” ({100 * share:.1f} %)" for text, share in pairs]
    if why.loss == "sigmoid":
        alone = "" if len(stated) == 1 else ", each by itself: together they need not be 100 %"
        return f"How probable the model holds each text: {', '.join(stated)}{alone}."
    first, second = np.argsort(-why.probabilities, kind="stable")[:2].tolist()
    among = f"among these {len(stated)} texts"
    if f"{why.probabilities[first]:.3f}" == f"{why.probabilities[second]:.3f}":
        return f"The model holds {stated[first]} and {stated[second]} equally probable, {among}."
    return f"The model prefers {stated[first]} to {stated[second]}{', the next' if len(stated) > 2 else ''}, {among}."


def figure(why: "Explanation", number: int) -> str:
    """Return the figure that stands beside a map, "" where it was not tested."""
    one = why.trust[number] if why.trust else None
    if one is None:
        return ""
    gain = one.better_than_random
    side = "above" if gain >= 0 else "below"
    return f"{abs(gain):.3f} {side} the mean of {len(one.randoms)} random maps, p = {one.p_value:.2f}"


def sentences(why: "Explanation", number: int) -> list[str]:
    """Return the checks of a text's map in sentences."""
    if why.is_even(number):
        return [ONE_COLOUR if is_of_one_colour(why.image) else EVEN]
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
        f"first, and {one.areas.insertion:.3f} while they come first. The gap (showing minus hiding) of "
        f"{one.areas.gap:+.3f} beats {beaten} of {len(one.randoms)} random maps (mean {mean:+.3f}; the centre of the "
        f"image {one.centre.gap:+.3f}), p = {one.p_value:.2f}: "
        f"{'it stands' if one.passes else 'no better than chance, it fails'}."
    )
