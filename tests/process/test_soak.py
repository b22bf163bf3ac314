"""What the soak says of a process's memory, descriptors and threads."""

import pytest

from tests.soak import judge

pytestmark = pytest.mark.alone


def samples(count=40, rss=lambda at: 100, descriptors=lambda at: 20, threads=lambda at: 3):
    return [{"rss_mib": rss(at), "descriptors": descriptors(at), "threads": threads(at)} for at in range(count)]


def test_a_process_that_grows_while_it_warms_up_and_then_wavers_is_flat():
    said = judge.verdict(samples(rss=lambda at: min(100, 60 + 5 * at) + at % 3, descriptors=lambda at: 20 + at % 2))
    assert said["faults"] == []


@pytest.mark.parametrize("grows, word", [
    ({"rss": lambda at: 100 + 0.4 * at}, "memory"),  # 16 MiB in the whole
    ({"descriptors": lambda at: 20 + at // 4}, "descriptors"),
    ({"threads": lambda at: 3 + at // 30}, "threads")])
def test_a_process_that_goes_on_growing_is_told(grows, word):
    fault, = judge.verdict(samples(**grows))["faults"]
    assert fault.startswith(word)


def test_too_few_samples_say_nothing():
    assert judge.verdict(samples(count=6)) is None
