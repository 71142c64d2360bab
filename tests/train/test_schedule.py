import math
from dataclasses import replace

import pytest

from wordsight.train.config import ScheduleConfig
from wordsight.train.schedule import TrainingClock, rate, rate_of


def test_warm_up_then_stay_then_fall():
    plan = ScheduleConfig(kind="wsd", steps=100, warmup=10, cooldown=0.2)
    rates = [rate(plan, step=step, progress=step / 100) for step in range(101)]
    assert rates[:10] == pytest.approx([0.1 * (step + 1) for step in range(10)])
    assert set(rates[10:81]) == {1.0}
    assert rates[90] == pytest.approx(0.5)
    assert rates[100] == 0.0


def rates_of(plan, seconds=None, length=None):
    """Return the rates of the steps that begin after so many seconds, or of a run of some length."""
    times = [0.0] * length if length else seconds
    return [rate_of(plan, step=step, seconds=time, length=length, prolonged=None) for step, time in enumerate(times)]


def test_a_warm_up_takes_a_quarter_of_the_run_at_most():
    plan = ScheduleConfig(kind="wsd", steps=20, warmup=100)
    assert rates_of(plan, length=20) == pytest.approx(
        [0.01, 0.2, 0.4, 0.6, 0.8, *[1.0] * 11, *(left / 5 for left in (4, 3, 2, 1))]
    )
    budget = ScheduleConfig(kind="wsd", budget="20s", warmup=100)
    assert rates_of(budget, seconds=[0.0, 2.0, 4.0, 6.0, 15.0, 18.0]) == pytest.approx([0.01, 0.4, 0.8, 1.0, 1.0, 0.4])
    assert rates_of(replace(budget, warmup=2), seconds=[0.0, 1.0, 2.0]) == [0.5, 1.0, 1.0]


@pytest.mark.parametrize(("warmup", "length"), [(1, 4), (7, 28), (33, 132), (100, 400), (49, 196), (100, 997)])
def test_a_warm_up_that_fits_counts_its_steps_alone(warmup, length):
    plan = ScheduleConfig(kind="wsd", steps=length, warmup=warmup)
    by_steps = [min(1.0, (step + 1) / warmup) for step in range(warmup)]
    assert rates_of(plan, length=length)[:warmup] == by_steps
    budget = ScheduleConfig(kind="wsd", budget=1.7 * length, warmup=warmup)
    assert rates_of(budget, seconds=[1.7 * step for step in range(length)])[:warmup] == by_steps


def test_cosine():
    plan = ScheduleConfig(kind="cosine", steps=100, warmup=0)
    for share in (0.0, 0.25, 0.5, 1.0):
        assert rate(plan, step=0, progress=share) == pytest.approx((1 + math.cos(math.pi * share)) / 2)


def test_no_cooldown_stays_to_the_end():
    plan = ScheduleConfig(kind="wsd", steps=10, warmup=0, cooldown=0.0)
    assert rate(plan, step=9, progress=0.9) == rate(plan, step=10, progress=1.0) == 1.0


def test_a_budget_that_is_overrun_gives_no_negative_rate():
    assert rate(ScheduleConfig(budget=60, warmup=0), step=50, progress=1.2) == 0.0


class Time:
    def __init__(self, start):
        self.seconds = start

    def __call__(self):
        return self.seconds


def test_the_clock_repeats_what_it_recorded_and_goes_on_from_there(tmp_path):
    path, now = tmp_path / "clock.jsonl", Time(1000.0)
    clock = TrainingClock(path, now)
    first = []
    for step in range(4):
        first.append(clock.at(step))
        now.seconds += 2.5
    clock.close()
    assert first == [0.0, 2.5, 5.0, 7.5]

    path.write_text(path.read_text() + '{"step": 4, "sec')  # what a killed process leaves
    later = Time(5.0)  # another machine, or after a restart
    clock = TrainingClock(path, later)
    assert [clock.at(step) for step in range(2, 4)] == [5.0, 7.5]
    later.seconds += 100  # repeating steps costs nothing
    assert clock.at(4) == 7.5
    later.seconds += 3
    assert clock.at(5) == 10.5
    clock.close()
    clock = TrainingClock(path, later)
    assert [clock.at(step) for step in range(6)] == [*first, 7.5, 10.5]
    clock.close()
