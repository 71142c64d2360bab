"""From a figure with its interval to a judgement and a sentence: one rule for all checks.

    claim("gibberish", result, "Nonsense beats the true text: {}.", Limit(0.05, "above"))

**The rule.** A `Limit` is the largest (or with "below" the least) value that would be harmless.  A figure is a
"problem" only where its whole interval lies beyond the limit, "fine" only where its whole interval lies within, and
"unclear" where the interval has both.  Without an interval nothing is known of the error: "unclear".

**Many at once.**  Of 20 groups that differ by nothing one looks different by chance at 95 %.  Where `among` figures are
judged together, each is judged by its interval at 1 - 0.05 / `among` (Bonferroni; Dunn 1961), so that a false "problem"
is among them in at most 5 of 100 audits.  The figure that is shown keeps its 95 % interval; the wider one is in its
setting.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wordsight.audit.finding import Claim, Judgement
from wordsight.base.nouns import Result
from wordsight.base.value import Value
from wordsight.evaluate.measured import share
from wordsight.evaluate.metrics import NORMAL_95, TAIL

Worse = Literal["above", "below"]
Interval = tuple[float, float]
ERROR = 0.05  # the probability of a false "problem" among all that are judged together
POINTS, NUMBER = "difference", "number"  # units of a result in its setting; without one it is a share


@dataclass(frozen=True, slots=True)
class Limit:
    """Where harmless values end, on which side the others lie, and how many figures are judged `among` each other."""

    value: float
    worse: Worse
    among: int = 1


def judge(interval: Interval | None, limit: Limit) -> Judgement:
    """Return what an interval, widened already, says of a figure whose harmless values end at a limit."""
    if interval is None:
        return "unclear"
    above = limit.worse == "above"
    low, high = interval if above else (-interval[1], -interval[0])
    end = limit.value if above else -limit.value
    return "problem" if low > end else "fine" if high <= end else "unclear"


def widened(result: Result, *, among: int) -> Interval | None:
    """Return the interval of a result at 1 - 0.05 / `among`, both arms stretched as those of a normal distribution.

    Those of shares end at 0 and 1.
    """
    if result.interval is None or among <= 1:
        return result.interval
    stretch = NormalDist().inv_cdf(1 - ERROR / (2 * among)) / NORMAL_95
    low, high = (result.value + stretch * (end - result.value) for end in result.interval)
    return (low, high) if result.setting.get("unit") else (max(0.0, low), min(1.0, high))


def claim(check: str, result: Result, text: str, limit: Limit, *, about: str = "") -> Claim:
    """Return the claim of a figure: `text` is a sentence with `{}` where the figure goes."""
    interval = widened(result, among=limit.among)
    setting: dict[str, Value] = {**result.setting, "limit": limit.value, "worse": limit.worse}
    if limit.among > 1 and interval is not None:
        low, high = (round(end, 6) for end in interval)
        setting |= {"judged_together": limit.among, "judged_low": low, "judged_high": high}
    stated = replace(result, setting=setting)
    return Claim(check, judge(interval, limit), text.replace("{}", figure(result)), stated, about)


def share_of(name: str, hits: NDArray[np.generic], setting: Mapping[str, Value] | None = None) -> Result:
    """Return the share of hits (N,) with its 95 % interval, as a result."""
    return share(name, hits, setting=setting)


def points_of(name: str, differences: NDArray[np.generic], setting: Mapping[str, Value] | None = None) -> Result:
    """Return the mean of differences (N,), -1 to 1, in points, with its 95 % interval.

    Where all are equal no resample differs: then neither more nor less than 1 - 0.025^(1/N) of all may differ from them
    either way (Clopper and Pearson 1934).
    """
    result = share(name, differences, setting={**(setting or {}), "unit": POINTS})
    if not len(differences) or (differences != differences[0]).any():
        return result
    reach = 1 - TAIL ** (1 / len(differences))
    return replace(result, interval=(max(-1.0, result.value - reach), min(1.0, result.value + reach)))


def figure(result: Result) -> str:
    """Return a figure as it stands in a sentence: "1.5 % (95 % interval 0.3 to 4.3, n 200)"."""
    unit = result.setting.get("unit")
    scale, sign, mark = (1.0, "", "") if unit == NUMBER else (100.0, "", " points" if unit == POINTS else " %")
    digits = 2 if unit == NUMBER else 1
    value = f"{scale * result.value:{sign}.{digits}f}{mark}"
    if result.interval is None:
        return f"{value} (n {result.count:,})"
    low, high = (f"{scale * end:.{digits}f}" for end in result.interval)
    return f"{value} (95 % interval {low} to {high}, n {result.count:,})"


def bar(name: str, result: Result) -> dict[str, object]:
    """Return a result as a row of a detail of the form "bars"."""
    interval = None if result.interval is None else list(result.interval)
    chance = result.setting.get("chance")
    return {"name": name, "value": result.value, "interval": interval, "count": result.count, "chance": chance}
