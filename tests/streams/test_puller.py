from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest

from streamfit.streams.puller import Puller

pytestmark = pytest.mark.timeout(30)


class Gate:
    """An iterator that counts, and waits for a permit before each item."""

    def __init__(self) -> None:
        self.permits, self.made, self.threads = threading.Semaphore(0), 0, set[int]()

    def __iter__(self) -> Gate:
        return self

    def __next__(self) -> int:
        self.permits.acquire()
        self.threads.add(threading.get_ident())
        self.made += 1
        return self.made - 1


def test_one_thread_pulls_and_never_too_far() -> None:
    made: list[int] = []
    threads: set[int] = set()

    def numbers() -> Iterator[int]:
        for number in itertools.count():
            made.append(number)
            threads.add(threading.get_ident())
            yield number

    puller = Puller(numbers(), ahead=3)
    for number in range(500):
        assert next(puller) == number
        assert len(made) <= number + 1 + 3 + 1
    puller.close()
    assert len(threads) == 1
    assert threads != {threading.get_ident()}


def test_no_more_than_the_total_is_pulled() -> None:
    numbers = itertools.count()
    puller = Puller(numbers, ahead=10, total=4)
    assert [next(puller) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(StopIteration):
        next(puller)
    puller.close()
    assert next(numbers) == 4


def test_items_before_an_exception_come_first_and_then_the_end() -> None:
    failure = KeyError("k")

    def numbers() -> Iterator[int]:
        yield from range(3)
        raise failure

    puller = Puller(numbers(), ahead=10)
    got = []
    with pytest.raises(KeyError) as caught:
        got.extend(puller)
    assert caught.value is failure
    assert list(puller) == []
    puller.close()


def test_it_begins_when_it_is_first_asked() -> None:
    gate = Gate()
    puller = Puller(gate, ahead=2)
    assert gate.made == 0
    gate.permits.release()
    assert next(puller) == 0
    gate.permits.release()
    puller.close()  # the thread waits inside the iterator, and is waited for
    assert gate.made <= 2


def test_closing_twice_and_before_the_start_is_fine() -> None:
    puller = Puller(iter("ab"), ahead=2)
    puller.close()
    puller.close()
    assert list(puller) == []
    assert list(Puller(iter("ab"), ahead=0)) == ["a", "b"]


def test_closing_lets_a_full_puller_go() -> None:
    puller = Puller(itertools.count(), ahead=1)
    assert next(puller) == 0
    puller.close()
    assert puller._thread is not None
    assert not puller._thread.is_alive()


def test_no_more_is_pulled_than_was_allowed() -> None:
    pulled = threading.Semaphore(0)
    made: list[int] = []

    def numbers() -> Iterator[int]:
        for number in itertools.count():
            made.append(number)
            pulled.release()
            yield number

    puller = Puller(numbers(), ahead=10)
    puller.allow(3)
    assert next(puller) == 0
    for _ in range(3):
        assert pulled.acquire(timeout=10)
    assert not pulled.acquire(timeout=0.05)
    assert [next(puller), next(puller)] == [1, 2]
    assert made == [0, 1, 2]
    assert next(puller) == 3  # to ask is to allow
    puller.close()
    assert made == [0, 1, 2, 3]


def test_what_was_not_taken_is_given_back_with_what_was_raised_after_it() -> None:
    failure = KeyError("k")
    raised = threading.Event()
    back: list[object] = []

    def numbers() -> Iterator[int]:
        yield from range(3)
        raised.set()
        raise failure

    puller = Puller(numbers(), ahead=10, give_back=lambda *given: back.append(given))
    assert next(puller) == 0
    assert raised.wait(10)
    puller.close()
    puller.close()
    assert back == [([1, 2], failure, None)]
