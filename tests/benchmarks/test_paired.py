"""The clock is ours: each contestant moves it by as much as it is said to take."""

import gc

import pytest

from benchmarks.paired import fastest, in_turn, ratios


class Clock:
    def __init__(self):
        self.now, self.turns = 0.0, []

    def contestant(self, name, *takes):
        left = list(takes)

        def act():
            self.turns.append(name)
            self.now += left.pop(0)

        return act

    def __call__(self):
        return self.now


def test_contestants_take_turns_after_one_that_does_not_count():
    clock = Clock()
    acts = {"a": clock.contestant("a", 100, 2, 4, 6), "b": clock.contestant("b", 100, 1, 1, 3)}
    seconds = in_turn(acts, 3, clock=clock)
    assert "".join(clock.turns) == "ab" + "ab" * 3
    assert seconds == {"a": [2, 4, 6], "b": [1, 1, 3]}
    assert ratios(seconds["a"], seconds["b"]) == {"median": 2, "low": 2, "high": 4, "values": [2, 4, 2]}
    assert fastest(seconds, ["a", "b"]) == "b"


def test_without_a_warm_turn_every_turn_counts():
    clock = Clock()
    assert in_turn({"a": clock.contestant("a", 5, 7)}, 2, warm=False, clock=clock) == {"a": [5, 7]}


def test_the_median_is_that_of_the_ratios_and_not_the_ratio_of_the_medians():
    assert ratios([1, 10, 100], [1, 2, 1000])["median"] == 1
    assert ratios([1, 2, 3, 4], [1, 1, 1, 1])["median"] == 2.5


@pytest.mark.parametrize("was_on", [True, False])
def test_the_garbage_collector_is_off_while_time_is_taken_and_then_as_before(was_on):
    before, seen = gc.isenabled(), []
    (gc.enable if was_on else gc.disable)()
    try:
        with pytest.raises(ZeroDivisionError):
            in_turn({"a": lambda: seen.append(gc.isenabled()), "b": lambda: 1 / 0}, 1, warm=False)
        assert seen == [False] and gc.isenabled() == was_on
    finally:
        (gc.enable if before else gc.disable)()
