"""What workers are given: everything once, the costliest last batches first, nobody idle at the end."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from bench.execute.schedule import Batch, Pending, Schedule


def batch(group: int, size: int, first: int = 0) -> Batch:
    return [Pending(f"{group}-{first + number}", {}, number, {}, group) for number in range(size)]


def simulate(batches: list[Batch], workers: int, cost: Mapping[int, float]) -> tuple[list[Batch], float]:
    """All batches that were run, and when the last worker was done, if a job of a group takes ``cost[group]``."""
    schedule = Schedule(iter(batches), sum(map(len, batches)), workers)
    clock, idle = 0.0, workers
    running: list[tuple[float, int, float, list[Batch]]] = []
    done: list[Batch] = []
    issued = 0
    while True:
        while idle:
            left = [since + sum(map(schedule.cost, parts)) - clock for _, _, since, parts in running]
            taken = schedule.take(lambda left=left: sum(max(0.0, seconds) for seconds in left))
            if not taken:
                break
            idle, issued = idle - 1, issued + 1
            takes = sum(len(part) * cost[part[0].group] for part in taken)
            heapq.heappush(running, (clock + takes, issued, clock, taken))
        if not running:
            return done, clock
        clock, _, _, finished = heapq.heappop(running)
        idle += 1
        done += finished
        schedule.learn(finished, [cost[job.group] for part in finished for job in part])


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 30)), max_size=40),
    st.integers(1, 9),
    st.tuples(*[st.sampled_from([0.0, 1e-4, 0.3, 5.0])] * 4),
)
def test_every_job_is_handed_out_once(shapes: list[tuple[int, int]], workers: int, costs: tuple[float, ...]) -> None:
    """Merged or split, each job is in one batch of its own group; nothing is lost, added or mixed."""
    batches = [batch(group, size, 100 * number) for number, (group, size) in enumerate(shapes)]
    done, _ = simulate(batches, workers, dict(enumerate(costs)))
    assert sorted(job.key for part in done for job in part) == sorted(job.key for part in batches for job in part)
    assert all(len({job.group for job in part}) == 1 for part in done)


def test_the_last_batch_is_split_among_idle_workers() -> None:
    """Five workers with six equal batches take little longer than their share, where whole batches would take 10/6."""
    _, took = simulate([batch(0, 40, 100 * number) for number in range(6)], 5, {0: 1.0})
    share = 6 * 40 / 5
    assert share <= took <= 1.1 * share


def test_a_job_is_not_split() -> None:
    """A batch of one job that takes longer than a worker's share is handed out as it is, and no empty one after it."""
    schedule = Schedule(iter([batch(0, 1), batch(0, 1, 1)]), 2, 2)
    schedule.learn(schedule.take(lambda: 0.0), [10.0])
    assert [len(part) for part in schedule.take(lambda: 0.0)] == [1]
    assert schedule.take(lambda: 0.0) == []


def test_the_costliest_come_first_at_the_end() -> None:
    """Two workers with three cheap batches and a long one, last in the design, both end within a job of their share."""
    batches = [batch(0, 10, 100 * number) for number in range(6)] + [batch(1, 10, 900)]
    _, took = simulate(batches, 2, {0: 1.0, 1: 5.0})
    assert took <= (60 + 50) / 2 + 5


def test_what_is_unknown_is_not_split() -> None:
    """Before anything has been measured, batches go out whole and in the order of the design."""
    batches = [batch(group, 10) for group in range(3)]
    schedule = Schedule(iter(batches), 30, 8)
    assert [schedule.take(lambda: math.inf) for _ in range(3)] == [[part] for part in batches]
    assert schedule.take(lambda: math.inf) == []


def test_quick_batches_go_together() -> None:
    """Of jobs that take a millisecond, a worker is soon given half a second's worth at a time, and less at the end."""
    schedule = Schedule((batch(0, 1, number) for number in range(10_000)), 10_000, 2)
    sizes = []
    while taken := schedule.take(lambda: 0.0):
        sizes.append(len(taken))
        schedule.learn(taken, [1e-3] * len(taken))
    assert sizes[:4] == [1, 8, 64, 500]
    assert max(sizes) == 500
    assert sizes[-1] <= 5
    assert sum(sizes) == 10_000
