"""BLAS on one thread for a while: for all threads that ask, and as before after the last of them."""

from __future__ import annotations

import threading
from typing import Any

from streamfit.kernels import blas


class Library:
    """A library with one count of threads for the process."""

    def __init__(self, count: int) -> None:
        self.count, self.set = count, list[int]()

    def put(self, count: int) -> None:
        self.set.append(count)
        self.count = count


def shared(count: int = 4) -> tuple[Library, Any]:
    library = Library(count)
    return library, blas._Shared(lambda: library.count, library.put)


def in_thread(work: Any) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_the_count_is_back_when_the_last_is_done() -> None:
    library, count = shared()
    count.begin()
    barrier, done = threading.Event(), threading.Event()

    def other() -> None:
        count.begin()
        barrier.set()
        done.wait()
        count.end(0)

    thread = threading.Thread(target=other)
    thread.start()
    barrier.wait()
    count.end(0)
    assert library.count == 1  # the other is not done
    done.set()
    thread.join()
    assert library.count == 4


def test_what_somebody_has_set_meanwhile_stays() -> None:
    library, count = shared()
    count.begin()
    library.put(2)
    count.end(0)
    assert library.count == 2


def test_an_end_without_a_beginning_changes_nothing() -> None:
    library, count = shared()
    count.end(0)
    in_thread(lambda: count.end(0))
    assert library.set == []


def test_an_end_that_never_came_is_made_good_by_the_next() -> None:
    library, count = shared()
    count.begin()  # an exception of a signal handler in the moment before `end`
    count.begin()
    count.end(0)
    assert library.count == 4


def test_a_count_of_each_thread_is_put_back() -> None:
    counts = [7]

    def put(count: int) -> int:
        counts.append(count)
        return counts[-2]

    separate = blas._Separate(put)
    separate.end(separate.begin())
    separate.end(None)
    assert counts == [7, 1, 7]


def test_a_module_without_blas_is_no_error() -> None:
    with blas.on_one_thread("no.such.module"), blas.on_one_thread("_json"):
        pass
