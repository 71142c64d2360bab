"""From a figure with its interval to a judgement and a sentence: one rule for all checks.

    claim("gibberish", result, "Nonsense beats the true text: {}.", Limit(0.05, "above"))

**The rule.** A `Limit` is the largest (or with "below" the least) value that would be harmless.  A figure is a
"problem" only where its whole interval lies beyond the limit, "fine" only where its whole interval lies within, and
"unclear" where the interval has both.  Without an interval nothing is known of the error: "unclear".  What was counted
over everything there is (`counted`) is exact and judged by the value itself.

**Many at once.**  Of 20 groups that differ by nothing one looks different by chance at 95 %.  Where `among` figures are
judged together, each is judged by its interval at 1 - 0.05 / `among` (Bonferroni; Dunn 1961), so that a false "problem"
is among them in at most 5 of 100 audits.  The figure that is shown keeps its 95 % interval; the wider one is in its
setting.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wordsight.audit.finding import Claim, Judgement
from wordsight.base.nouns import Result
from wordsight.base.value import Value
from wordsight.evaluate.fairness import wilson_interval
from wordsight.evaluate.measured import Measured, share
from wordsight.evaluate.metrics import NORMAL_95, TAIL

Worse = Literal["above", "below"]
Interval = tuple[float, float]
ERROR = 0.05  # the probability of a false "problem" among all that are judged together
POINTS, NUMBER = "difference", "number"  # units of a result in its setting; without one it is a share
COUNTED = "all_counted"  # in the setting of a share that was counted, not estimated


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
    """Return the share of hits (N,), 0 to 1 each, with Wilson's 95 % interval, as a result.

    Hits between 0 and 1 (means over styles) vary less than those of 0 and 1 alone, so that it is wide enough.
    """
    return _by_wilson(Result(name, float(hits.mean()), None, len(hits), setting=setting or {}))


def by_wilson(measured: Measured, names: Collection[str]) -> Measured:
    """Return what was measured with Wilson's intervals of the named results, shares of independent things.

    So all shares of an audit have intervals of one kind, whichever task of `wordsight.evaluate` measured them.
    """
    results = [_by_wilson(one) if one.name in names else one for one in measured.results]
    return replace(measured, results=results)


def _by_wilson(result: Result) -> Result:
    low, high = wilson_interval(np.array([result.value * result.count]), np.array([result.count]))
    return replace(result, interval=(float(low[0]), float(high[0])))


def counted(name: str, value: float, count: int, setting: Mapping[str, Value] | None = None) -> Result:
    """Return a share of `count` things that were all looked at: exact, so its interval is the value itself."""
    return Result(name, value, (value, value), count, setting={**(setting or {}), COUNTED: True})


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
    scale, mark = (1.0, "") if unit == NUMBER else (100.0, " points" if unit == POINTS else " %")
    digits = 2 if unit == NUMBER else 1
    value = f"{scale * result.value:.{digits}f}{mark}"
    if result.interval is None:
        return f"{value} (n {result.count:,})"
    if result.setting.get(COUNTED):
        return f"{value} (n {result.count:,}, all counted)"
    low, high = (f"{scale * end:.{digits}f}" for end in result.interval)
    return f"{value} (95 % interval {low} to {high}, n {result.count:,})"


def directed(result: Result, above: str, below: str) -> str:
    """Return a difference in words without a sign: "gains 3.8 points (…)", "costs 3.8 points (…)"."""
    if result.value >= 0 or result.interval is None:
        return f"{above} {figure(result)}"
    low, high = result.interval
    return f"{below} {figure(replace(result, value=-result.value, interval=(-high, -low)))}"


def bar(name: str, result: Result) -> dict[str, object]:
    """Return a result as a row of a detail of the form "bars"."""
    interval = None if result.interval is None else list(result.interval)
    chance = result.setting.get("chance")
    return {"name": name, "value": result.value, "interval": interval, "count": result.count, "chance": chance}
