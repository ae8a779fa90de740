"""Calls: kernels with their arguments bound, and a call loop over a list of them in one native call.

A `Call` is ``(kernel, arguments)``. `run` runs calls one by one from Python. A `CallList` packs the
arguments of all its calls into one vector of machine words; its `run` is a single call of a compiled
loop that calls the thunk of each kernel, so that a step of many small kernels costs what the kernels
cost, without the interpreter and without its lock. Where there is no machine code with thunks, because the
compiler is off or Numba's internals are missing, Python calls the kernels, with the same results.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import cast

import numpy as np

from streamfit._base.specs import Array
from streamfit._base.telling import tell_on
from streamfit.kernels.arguments import (
    DATA,
    Argument,
    Signature,
    Thunk,
    checked_words,
    signature_of,
    thunk_at,
    words_of,
    words_of_array,
)
from streamfit.kernels.blas import OF_KERNELS, on_one_thread
from streamfit.kernels.call_loop import call_loop, enter
from streamfit.kernels.decorator import JIT_ENABLED, CompiledKernel

Kernel = Callable[..., None]
Call = tuple[Kernel, tuple[Argument, ...]]

_NOTHING_TO_DO = contextlib.nullcontext()
_ANNOUNCE_AFTER = 2.0  # seconds of compiling before we announce it
_MOST_WORDS = 128  # of one kernel; more is an error
_NOTHING: Array = np.zeros(0, dtype=np.int64)
_NOT_ASKED = np.zeros(1, dtype=np.int64)  # nobody asks a call loop to stop
_TYPES_OF_LOOP = signature_of((_NOTHING,) * 7 + (1,))


def run(calls: Iterable[Call]) -> None:
    """Run calls one after the other from Python, each with the result that it has in a `CallList`."""
    for function, arguments in calls:
        words = words_of(arguments) if JIT_ENABLED else None
        if words is None or not isinstance(function, CompiledKernel) or function.options:
            function(*arguments)
        else:
            _run_alone(function, arguments, words)


def _run_alone(function: CompiledKernel, arguments: tuple[Argument, ...], words: list[int]) -> None:
    thunk, enter_at = function.address(signature_of(arguments)), entrance()
    if thunk is None or enter_at is None:
        function(*arguments)
        return
    packed = (ctypes.c_int64 * len(words))(*words)
    words_of_enter = (ctypes.c_int64 * 2)(thunk, ctypes.addressof(packed))
    with on_one_thread(OF_KERNELS) if function.calls_blas else _NOTHING_TO_DO:
        stopped = enter_at(ctypes.addressof(words_of_enter))
    if stopped:
        raise FloatingPointError(f"kernel {function.py_func.__name__} raised")


class _Announcer:
    """Announce what is being compiled once it has taken a while."""

    def __init__(self) -> None:
        self._spent = 0.0

    def compile(self, function: CompiledKernel, signature: Signature, waiting: int) -> None:
        """Compile one kernel for one signature."""
        started = time.perf_counter()
        if self._spent > _ANNOUNCE_AFTER:
            text = f"compiling {function.__name__} ({waiting} to go; kept on disk for the next run)"
            tell_on(sys.stderr, f"streamfit: {text}\n")
        function.compile(signature)
        self._spent += time.perf_counter() - started


def _thunks(calls: Sequence[Call]) -> list[int] | None:
    """Return the address of each call's thunk, compiled if it must be; None if a kernel has none."""
    wanted = [(cast(CompiledKernel, function), signature_of(arguments)) for function, arguments in calls]
    missing = [(function, kinds) for function, kinds in dict.fromkeys(wanted) if function.find(kinds) is None]
    announcer = _Announcer()
    for done, (function, signature) in enumerate(missing):
        announcer.compile(function, signature, len(missing) - done - 1)
    found = [function.overloads.get(signature) for function, signature in wanted]
    thunks = [address for address in found if address is not None]
    return thunks if len(thunks) == len(found) else None


@functools.cache
def entrance() -> Thunk | None:
    """Return `enter`, as Python calls it; None where there is no machine code with thunks."""
    address = cast(CompiledKernel, enter).address((None, None))
    return None if address is None else thunk_at(address)


class BoundLoop:
    """A call loop with its arguments bound: to run it is to pass one address.

    Args:
        enter_at: The thunk of `enter`.
        loop: The address of the thunk of a kernel: `call_loop`, or another that calls kernels.
        arguments: The arguments of that kernel; they are kept alive.
    """

    def __init__(self, enter_at: Thunk, loop: int, *arguments: Argument) -> None:
        words = np.array(checked_words("call_loop", arguments), dtype=np.int64)
        words_of_enter = np.array([loop, words.ctypes.data], dtype=np.int64)
        self._kept = (words, words_of_enter, arguments)
        self.run = functools.partial(enter_at, words_of_enter.ctypes.data)


class KernelStoppedError(Exception):
    """A guard kernel raised and so ended a call loop; everything before it ran, nothing after it.

    Attributes:
        kernel: The kernel that raised.
        step: In which of several steps, counted from 0.
        arguments: The arguments that the kernel was bound with; those that are fed may lie elsewhere by now.
    """

    def __init__(self, function: Kernel, step: int = 0, arguments: tuple[Argument, ...] = ()) -> None:
        super().__init__(f"kernel {function.__name__} stopped the call loop")
        self.kernel, self.step, self.arguments = function, step, arguments


class CallList:
    """Bind a list of calls so that one native loop runs them all.

    Args:
        calls: Kernels with their arguments. The arrays are kept alive; their contents are read and
            written at each run.

    Example:
        >>> import numpy as np
        >>> from streamfit.kernels.matrix import add_into
        >>> x, total = np.ones(4, "float32"), np.zeros(4, "float32")
        >>> twice = CallList([(add_into, (x, total)), (add_into, (x, total))])
        >>> twice.run()
        >>> total
        array([2., 2., 2., 2.], dtype=float32)
    """

    def __init__(self, calls: Sequence[Call]) -> None:
        self.calls = list(calls)
        self.native = JIT_ENABLED and self._pack()
        self.run = self._run_native if self.native else self._run_python

    def _pack(self) -> bool:
        """Lay out the words of all calls; return whether the native loop can run them."""
        offsets, words = [], list[int]()
        for function, arguments in self.calls:
            packed = checked_words(function.__name__, arguments)
            if len(packed) > _MOST_WORDS:
                raise ValueError(
                    f"kernel {function.__name__} takes {len(packed)} words, more than {_MOST_WORDS}"
                )
            offsets.append(len(words))
            words += packed
        thunks, enter_at, loop = _thunks(self.calls), entrance(), self._loop()
        if thunks is None or enter_at is None or loop is None:
            return False
        self._words = np.array(words, dtype=np.int64)
        starts = self._words.ctypes.data + 8 * np.array(offsets, dtype=np.int64)
        self._outcome = np.zeros(3, dtype=np.int64)
        tables = self._tables(np.array(thunks, dtype=np.int64), starts)
        self._bound = functools.partial(BoundLoop, enter_at, loop, *tables)
        self._once = self._bound(_NOTHING, _NOTHING, _NOT_ASKED, 1)
        self._blas = any(cast(CompiledKernel, function).calls_blas for function, _ in self.calls)
        return True

    def _loop(self) -> int | None:
        """Return the address of the thunk of the loop; None where there is no machine code with thunks."""
        return cast(CompiledKernel, call_loop).address(_TYPES_OF_LOOP)

    def _tables(self, thunks: Array, starts: Array) -> tuple[Argument, ...]:
        """Return the first arguments of the loop, given the calls' thunks and where their words begin."""
        return (thunks, starts, self._words, self._outcome)

    def _run_native(self) -> None:
        if self._blas:
            with on_one_thread(OF_KERNELS):
                self._once.run()
        else:
            self._once.run()
        if self._outcome[0]:
            raise self._stopped()

    @property
    def calls_blas(self) -> bool:
        """Return whether BLAS has to be on one thread while the native loop runs."""
        return self.native and self._blas

    def run_within(self) -> None:
        """Run all calls, in a block of the caller's in which BLAS is on one thread if it has to be."""
        if not self.native:
            self._run_python()
            return
        self._once.run()
        if self._outcome[0]:
            raise self._stopped()

    def _stopped(self) -> KernelStoppedError:
        call, step, _ = self._outcome.tolist()
        self._outcome[:] = 0
        function, arguments = self.calls[call - 1]
        return KernelStoppedError(function, step, arguments)

    def run_steps(
        self, readers: Sequence[InputPointer], data: Sequence[Array], steps: int, asked: Array | None = None
    ) -> int:
        """Run all calls `steps` times in one native call, each time on the next rows of `data`.

        Args:
            readers: Handles of the arguments that change.
            data: For each reader an array of `steps` times as many rows as it reads at a time, or of
                just as many rows, which are then read at each step.
            steps: How many times.
            asked: Read after each time: not 0 where another thread waits for the end of a step, int64 (1,).

        Returns:
            How many times they were run: `steps`, or fewer where `asked` became 1.
        """
        asked = _NOT_ASKED if asked is None else asked
        if not self.native:
            return self._run_steps_one_by_one(readers, data, steps, asked)
        moving, strides, kept = [], [], []
        for reader, rows in zip(readers, data, strict=True):
            rows = reader.fitting(rows)
            kept.append(rows)
            positions, stride = reader.aim(rows, steps)
            moving.append(positions)
            strides.append(np.full(len(positions), stride, dtype=np.int64))
        where, how_far = np.concatenate(moving), np.concatenate(strides)
        self._run_moving(where, how_far, asked, steps)
        for reader in readers:
            reader.release()
        if self._outcome[0]:
            raise self._stopped()
        return int(self._outcome[2])

    def _run_moving(self, moving: Array, strides: Array, asked: Array, steps: int) -> None:
        # The name keeps the words alive: a temporary object would be freed before its `run` is called.
        loop = self._bound(moving, strides, asked, steps)
        with on_one_thread(OF_KERNELS) if self._blas else _NOTHING_TO_DO:
            loop.run()

    def _run_steps_one_by_one(
        self, readers: Sequence[InputPointer], data: Sequence[Array], steps: int, asked: Array
    ) -> int:
        for step in range(steps):
            for reader, rows in zip(readers, data, strict=True):
                reader.feed(reader.part(rows, step, steps))
            try:
                self.run()
            except KernelStoppedError as stopped:
                raise KernelStoppedError(stopped.kernel, step, stopped.arguments) from None
            if asked[0]:
                return step + 1
        return steps

    def _run_python(self) -> None:
        for function, arguments in self.calls:
            try:
                function(*arguments)
            except FloatingPointError:
                raise KernelStoppedError(function, 0, arguments) from None

    def input_pointer(self, array: Array) -> InputPointer:
        """Return a handle that can make all calls read another array in the place of `array`."""
        return InputPointer(self, array)

    def places(self, array: Array) -> tuple[Array, Array]:
        """Find the words that point into `array`: their positions, and how many bytes into it they point."""
        start, positions, distances = array.ctypes.data, [], []
        index = 0
        for _, arguments in self.calls:
            for argument in arguments:
                if not isinstance(argument, np.ndarray):
                    index += 1
                    continue
                distance = argument.ctypes.data - start
                if array.nbytes and 0 <= distance < array.nbytes:
                    positions.append(index + DATA)
                    distances.append(distance)
                index += words_of_array(argument.ndim)
        return np.array(positions, dtype=np.int64), np.array(distances, dtype=np.int64)

    def point(self, positions: Array, addresses: Array) -> None:
        """Overwrite data pointers; the caller keeps the memory behind them alive."""
        self._words[positions] = addresses


class InputPointer:
    """Feed one argument of a `CallList`: by pointing at the new array, or by copying it.

    Args:
        calls: The list of calls.
        array: The array that the calls were bound with. It is the staging area for data that
            cannot be pointed at, because of another dtype or a gap between rows.
    """

    def __init__(self, calls: CallList, array: Array) -> None:
        self._calls, self._staging, self._held = calls, array, array
        self._points = calls.native
        positions, distances = calls.places(array) if calls.native else (_NOTHING, _NOTHING)
        self._positions, self._distances = positions, distances
        self._home = distances + array.ctypes.data if self._points else distances
        self._shape, self._dtype = array.shape, array.dtype

    def feed(self, data: Array) -> None:
        """Make the calls read `data`: any dtype, same shape as the array they were bound with."""
        if (
            not self._points
            or data.dtype != self._dtype
            or not data.flags.c_contiguous
            or not data.flags.aligned
        ):
            if data is not self._staging:
                np.copyto(self._staging, data, casting="unsafe")
            data = self._staging
        if data is not self._held:
            if self._points:
                self._calls.point(self._positions, self._distances + data.ctypes.data)
            self._held = data

    def fitting(self, rows: Array) -> Array:
        """Return `rows` in the dtype and layout that the calls can read where they lie."""
        if rows.dtype == self._dtype and rows.flags.c_contiguous and rows.flags.aligned:
            return rows
        return np.ascontiguousarray(rows, dtype=self._dtype)

    def aim(self, rows: Array, steps: int) -> tuple[Array, int]:
        """Point at the first rows; return the words that point there and how far they move at each step.

        The caller keeps `rows` alive, and calls `release` in the end.
        """
        self._calls.point(self._positions, self._distances + rows.ctypes.data)
        self._held = rows
        stays = len(rows) == self._shape[0]
        return self._positions, 0 if stays and steps > 1 else rows.nbytes // steps

    def part(self, rows: Array, step: int, steps: int) -> Array:
        """Return the rows of one step."""
        if len(rows) == self._shape[0]:
            return rows
        size = len(rows) // steps
        return rows[step * size : (step + 1) * size]

    def release(self) -> None:
        """Point back at the staging area, so that nothing of the last batch is kept alive."""
        if self._held is not self._staging:
            self._held = self._staging
            if self._points:
                self._calls.point(self._positions, self._home)
