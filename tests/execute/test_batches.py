"""Missing jobs become batches: each job once, groups apart, sizes even, few held back."""

from __future__ import annotations

from collections import Counter
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from bench.execute.schedule import Pending, batches, even_size, missing
from tests.execute.conftest import MakeSuite


@given(st.lists(st.integers(0, 5)), st.integers(1, 7), st.integers(1, 20))
def test_every_job_is_in_one_batch_of_its_group(groups: list[int], size: int, most_held: int) -> None:
    """No batch is too large or mixed, and within a group the order is kept."""
    jobs = [Pending(f"k{number}", {}, number, {}, group) for number, group in enumerate(groups)]
    made = list(batches(iter(jobs), size, most_held=most_held))
    assert all(0 < len(batch) <= size for batch in made)
    assert all(len({job.group for job in batch}) == 1 for batch in made)
    for group in set(groups):
        in_order = [job for batch in made for job in batch if job.group == group]
        assert in_order == [job for job in jobs if job.group == group]


def test_few_jobs_are_held() -> None:
    """Of an endless suite of groups of one job, only ``most_held`` jobs are read before the first batch."""
    read = count()
    endless = (Pending("", {}, number, {}, number) for number in read)
    next(batches(endless, 4, most_held=10))
    assert next(read) == 10


@given(st.integers(1, 10_000), st.integers(1, 64), st.integers(1, 64))
def test_sizes_are_even(n_jobs: int, workers: int, largest: int) -> None:
    """Batches are no larger than allowed, and the busiest worker has less than one job a batch above its share."""
    size = even_size(n_jobs, workers, largest)
    rounds = -(-n_jobs // (workers * largest))
    n_batches = -(-n_jobs // size)
    assert 1 <= size <= largest
    assert n_batches <= workers * rounds
    busiest = -(-n_batches // workers) * size
    assert busiest - -(-n_jobs // workers) < rounds


def test_sizes_that_people_meet() -> None:
    """160 jobs on two workers: one batch each if that is allowed, else an even number of equal ones."""
    assert [even_size(160, 2, largest) for largest in (1000, 80, 79, 40, 1)] == [80, 80, 40, 40, 1]
    assert even_size(5, 64, 10) == 1


def test_only_what_is_not_settled_is_missing(make_suite: MakeSuite) -> None:
    """Jobs come seed by seed, without those that have an outcome."""
    suite = make_suite("ENSEMBLE", {"kind": ["fine", "nan"], "size": [1, 2]}, seeds=[4, 9])
    every = list(missing(suite, set()))
    assert [(job.seed, *job.levels.values()) for job in every] == [
        (seed, kind, size) for seed in (4, 9) for kind in ("fine", "nan") for size in (1, 2)
    ]
    assert Counter(job.group for job in every) == {1: 4, 2: 4}
    settled = {every[0].key, every[5].key}
    assert [job.key for job in missing(suite, settled)] == [job.key for job in every if job.key not in settled]
