"""A source that is read on gives every sample and every failure once, each failure with the sample behind it."""

from wordsight.data.fake import FakeSource
from wordsight.data.source import readings


def test_failures_come_with_the_next_sample_and_at_the_end_alone():
    met = list(readings(FakeSource(6, broken=(0, 2, 3, 5)).samples()))
    assert [one.sample.key if one.sample else None for one in met] == ["0001", "0004", None]
    assert [len(one.failures) for one in met] == [1, 2, 1]
    assert [one.position.entry for one in met] == [2, 5, 6]


def test_a_walk_goes_on_behind_a_reading():
    source = FakeSource(6, broken=(2,))
    second = list(readings(source.samples()))[1]
    rest = [one.sample.key for one in readings(source.samples(second.position))]
    assert (second.sample.key, rest) == ("0001", ["0003", "0004", "0005"])
