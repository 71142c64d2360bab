import math

import pytest

from wordsight.train.config import ScheduleConfig
from wordsight.train.schedule import TrainingClock, rate


def test_warm_up_then_stay_then_fall():
    plan = ScheduleConfig(kind="wsd", steps=100, warmup=10, cooldown=0.2)
    rates = [rate(plan, step=step, progress=step / 100) for step in range(101)]
    assert rates[:10] == pytest.approx([0.1 * (step + 1) for step in range(10)])
    assert set(rates[10:81]) == {1.0}
    assert rates[90] == pytest.approx(0.5)
    assert rates[100] == 0.0


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
