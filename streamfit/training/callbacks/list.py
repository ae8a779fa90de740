"""`CallbackList`: calls the callbacks of a run: the user's, the history, backups, the progress bar last."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol, TypedDict, TypeGuard, cast

from streamfit._base.errors import NonFiniteError
from streamfit.training.callbacks.base import HOOKS, Callback, Logs, Params, State, every_of
from streamfit.training.callbacks.history import History
from streamfit.training.callbacks.log_names import LogNames
from streamfit.training.callbacks.log_writers import may_add_to_logs
from streamfit.training.callbacks.logs import plain_logs
from streamfit.training.callbacks.progress import ProgressBar
from streamfit.training.trainable import Trainable
from streamfit.training.user_warnings import warn

__all__ = ["CallbackList"]

_PACKAGE = __name__.rpartition(".")[0]
_SAME_CALLBACKS = "to go on as without the interruption, resume with the callbacks of the first run"
_BATCH_HOOKS = [
    f"on_{kind}_batch_{edge}" for kind in ("train", "test", "predict") for edge in ("begin", "end")
]


CallbackState = TypedDict("CallbackState", {"class": str, "state": State})
"""The state of a callback, with the name of its class."""


class HookObject(Protocol):
    """A callback: a `Callback`, or an object of another class with the same hooks."""

    def set_params(self, params: Params) -> None:
        """Take the arguments of the run."""

    def set_model(self, model: Trainable | None) -> None:
        """Take the model."""


class StatefulObject(Protocol):
    """A callback that keeps a state."""

    def state_dict(self) -> State:
        """Return the state."""

    def load_state_dict(self, state: State) -> None:
        """Continue from a state."""


class NonFiniteListener(Protocol):
    """A callback that is called when a step was stopped before its update."""

    def on_nonfinite(self, error: NonFiniteError) -> None:
        """Act on the error."""


class CallbackList:
    """Call the callbacks of one run of `fit`, `evaluate` or `predict`.

    Args:
        callbacks: None, one callback, or callbacks in lists or tuples of any depth.
        model: The model that runs, passed to each callback.
        params: The arguments of the run, passed to each callback as the same dictionary; a change of
            ``params["steps"]`` between epochs is seen by all.
        history: Comes after the user's callbacks; only those that say `comes_last`, as backups do, come after
            it.
        progress: Comes last. If the user's callbacks contain a bar, that one is used instead.

    Attributes:
        callbacks: All callbacks in the order in which they are called.
        tick: Call it with the number of steps done, after each step of any kind.
        wants_train_batch_begin: Whether any callback listens, so that logs are worth making; likewise
            ``wants_train_batch_end``, ``wants_test_batch_begin`` and so on. Known for certain after
            `on_train_begin`, `on_test_begin` or `on_predict_begin`.

    Raises:
        TypeError: Something in `callbacks` is not a callback.

    Example:
        >>> history = History()
        >>> callbacks = CallbackList(None, history=history)
        >>> callbacks.wants_train_batch_end
        False
        >>> callbacks.on_train_begin()
        >>> callbacks.on_epoch_end(0, {"loss": 1})
        {'loss': 1.0}
        >>> history.history
        {'loss': [1.0]}
    """

    wants_train_batch_begin: bool
    wants_train_batch_end: bool
    wants_test_batch_begin: bool
    wants_test_batch_end: bool
    wants_predict_batch_begin: bool
    wants_predict_batch_end: bool

    def __init__(
        self,
        callbacks: object = None,
        model: Trainable | None = None,
        params: Params | None = None,
        history: History | None = None,
        progress: ProgressBar | None = None,
    ) -> None:
        users = [checked(callback) for callback in flat(callbacks)]
        bars = [callback for callback in users if isinstance(callback, ProgressBar)]
        progress = bars[-1] if bars else progress
        users = [callback for callback in users if not isinstance(callback, ProgressBar)]
        last = [callback for callback in users if getattr(callback, "comes_last", False)]
        users = [callback for callback in users if not getattr(callback, "comes_last", False)]
        self.callbacks: list[HookObject] = users
        self.callbacks += [*filter(None, (history,)), *last, *filter(None, (progress,))]
        self.params: Params = {} if params is None else params
        self.model = model
        self.tick: Callable[[int], None] = progress.tick if progress else _ignore
        self._progress = progress
        self._last_logs: Logs = {}
        for callback in self.callbacks:
            callback.set_model(model)
            callback.set_params(self.params)
        self._listen()

    def watch(self, logs: Callable[[], Mapping[str, object]]) -> None:
        """Have the progress bar call `logs` for the values to show, whenever it redraws."""
        if self._progress:
            self._progress.watch(logs)

    @property
    def wants_finite(self) -> bool:
        """Return whether a training step must stop before its update unless loss and gradient are finite."""
        return any(_wants_finite(callback) for callback in self.callbacks)

    def on_nonfinite(self, error: NonFiniteError) -> None:
        """Call the callbacks that listen to a step that was stopped."""
        for callback in filter(_wants_finite, self.callbacks):
            callback.on_nonfinite(error)

    def check_names(self, batch: Sequence[str], validated: bool, sure: bool) -> None:
        """Give the callbacks the names that the logs will hold.

        Args:
            batch: Names in the logs of a training batch.
            validated: Whether there is validation.
            sure: Whether losses and metrics can have no other names.
        """
        twins = [f"val_{name}" for name in batch] if validated else []
        added = [name for callback in self.callbacks for name in getattr(callback, "added_logs", ())]
        epoch = tuple(dict.fromkeys([*batch, *twins, *added]))
        hooks = ("on_train_batch_end", "on_batch_end"), ("on_epoch_end",)
        sure_of = [
            sure and not any(_may_add_logs(each, hook) for each in self.callbacks for hook in kind)
            for kind in hooks
        ]
        names = LogNames(tuple(batch), epoch, *sure_of)
        for callback in self._ours():
            callback.check_names(names)

    @property
    def checks_names(self) -> bool:
        """Whether any callback checks the names in the logs."""
        return any(type(callback).check_names is not Callback.check_names for callback in self._ours())

    def state(self) -> list[CallbackState]:
        """Return the states of the callbacks that keep one, each with its class."""
        return [
            {"class": type(callback).__qualname__, "state": callback.state_dict()}
            for callback in self._with_state()
        ]

    def load_state(self, states: Iterable[CallbackState]) -> None:
        """Give states back: the first of a class to the first callback of that class, and so on.

        A state without a callback, and a callback without a state, give a warning.
        """
        left = list(states)
        for callback in self._with_state():
            name = type(callback).__qualname__
            mine = next((entry for entry in left if entry["class"] == name), None)
            if mine is not None:
                left = [entry for entry in left if entry is not mine]
                if mine["state"]:
                    callback.load_state_dict(mine["state"])
                    if getattr(type(callback), "load_state_dict", None) is Callback.load_state_dict:
                        warn(
                            f"{type(callback).__name__} has state_dict and no load_state_dict, so begins anew"
                        )
            else:
                warn(
                    f"the backup has no state for this {type(callback).__name__}, so it begins anew; "
                    f"{_SAME_CALLBACKS}"
                )
        for entry in left:
            name = entry["class"].rpartition(".")[2]
            warn(
                f"the backup has a state of {name}, which is not among the callbacks, so it is not used; "
                f"{_SAME_CALLBACKS}"
            )

    def _ours(self) -> list[Callback]:
        return [callback for callback in self.callbacks if isinstance(callback, Callback)]

    def _with_state(self) -> list[StatefulObject]:
        return [callback for callback in self.callbacks if _keeps_state(callback)]

    def interrupt(self) -> None:
        """Close the line of the progress bar; call it when the run ends in an exception."""
        if self._progress:
            self._progress.interrupt()

    def on_train_begin(self, logs: Mapping[str, object] | None = None) -> None:
        """Call the hook of every callback."""
        self._last_logs = {}
        self._call("on_train_begin", plain_logs(logs))
        self._listen()

    def on_train_end(self, logs: Mapping[str, object] | None = None) -> None:
        """Call the hook of every callback, with the logs of the last epoch if none are given."""
        self._call("on_train_end", plain_logs(self._last_logs if logs is None else logs))

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, object] | None = None) -> None:
        """Call the hook of every callback."""
        self._call("on_epoch_begin", epoch, plain_logs(logs))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, object] | None = None) -> Logs:
        """Call the hook of every callback and return the logs with the entries that callbacks have added."""
        self._last_logs = plain_logs(logs)
        self._call("on_epoch_end", epoch, self._last_logs)
        return self._last_logs

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, object] | None = None) -> None:
        """Call the hook of the callbacks that listen."""
        self._call_due("on_train_batch_begin", batch, logs)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, object] | None = None) -> None:
        """Call the hook of the callbacks that listen."""
        self._call_due("on_train_batch_end", batch, logs)

    def on_test_begin(self, logs: Mapping[str, object] | None = None) -> None:
        """Call the hook of every callback."""
        self._call("on_test_begin", plain_logs(logs))
        self._listen()

    def on_test_end(self, logs: Mapping[str, object] | None = None) -> None:
        """Call the hook of every callback."""
        self._call("on_test_end", plain_logs(logs))

    def on_test_batch_begin(self, batch: int, logs: Mapping[str, object] | None = None) -> None:
        """Call the hook of the callbacks that listen."""
        self._call_due("on_test_batch_begin", batch, logs)

    def on_test_batch_end(self, batch: int, logs: Mapping[str, object] | None = None) -> None:
        """Call the hook of the callbacks that listen."""
        self._call_due("on_test_batch_end", batch, logs)

    def on_predict_begin(self, logs: Mapping[str, object] | None = None) -> None:
        """Call the hook of every callback."""
        self._call("on_predict_begin", plain_logs(logs))
        self._listen()

    def on_predict_end(self, logs: Mapping[str, object] | None = None) -> None:
        """Call the hook of every callback."""
        self._call("on_predict_end", plain_logs(logs))

    def on_predict_batch_begin(self, batch: int, logs: Mapping[str, object] | None = None) -> None:
        """Call the hook of the callbacks that listen."""
        self._call_due("on_predict_batch_begin", batch, logs)

    def on_predict_batch_end(self, batch: int, logs: Mapping[str, object] | None = None) -> None:
        """Call the hook of the callbacks that listen; ``logs["outputs"]`` goes through as it is."""
        self._call_due("on_predict_batch_end", batch, logs)

    def __iter__(self) -> Iterator[HookObject]:
        return iter(self.callbacks)

    def _call(self, hook: str, *arguments: object) -> None:
        for callback in self.callbacks:
            getattr(callback, hook)(*arguments)

    def _call_due(self, hook: str, batch: int, logs: Mapping[str, object] | None) -> None:
        self.call_batch_hook(hook, self.due(hook, batch), batch, logs)

    # -- batches ------------------------------------------------------------------------------------

    def listeners(self, hook: str) -> list[HookObject]:
        """Return the callbacks that listen to a hook of batches."""
        return self._listeners[hook]

    def due(self, hook: str, batch: int) -> list[HookObject]:
        """Return the callbacks whose hook is called at this batch: those with ``every = n`` at every n-th."""
        done = batch + 1 if hook.endswith("end") else batch
        return [callback for callback in self._listeners[hook] if done % _every(callback) == 0]

    def batches_until_call(self, kind: str, done: int) -> int:
        """Return how many batches may be done until a callback that listens to batches must be called.

        Args:
            kind: ``"train"``, ``"test"`` or ``"predict"``.
            done: How many batches of the epoch are done.
        """
        hooks = [f"on_{kind}_batch_{edge}" for edge in ("begin", "end")]
        return min(
            callback.batches_until_call(hook, done) if isinstance(callback, Callback) else 1
            for hook in hooks
            for callback in self._listeners[hook]
        )

    def call_batch_hook(
        self, hook: str, callbacks: Iterable[HookObject], batch: int, logs: Mapping[str, object] | None
    ) -> None:
        """Call a hook of some of the callbacks, with one dictionary for all of them."""
        own = dict(logs or {}) if hook == "on_predict_batch_end" else plain_logs(logs)
        for callback in callbacks:
            getattr(callback, hook)(batch, own)

    def _listen(self) -> None:
        """Find the callbacks that listen to each hook; again after each beginning, which may set hooks."""
        self._listeners = {hook: [c for c in self.callbacks if _listens(c, hook)] for hook in _BATCH_HOOKS}
        for hook, listeners in self._listeners.items():
            for callback in listeners:
                _every(callback)  # a wrong number fails now
            setattr(self, hook.replace("on_", "wants_", 1), bool(listeners))


def flat(callbacks: object) -> Iterator[object]:
    """Yield the callbacks in `callbacks`, which may be nested lists.

    Example:
        >>> list(flat([1, (2, [3])])), list(flat(None)), list(flat(4))
        ([1, 2, 3], [], [4])
    """
    if isinstance(callbacks, (list, tuple, CallbackList)):
        for callback in callbacks:
            yield from flat(callback)
    elif callbacks is not None:
        yield callbacks


def checked(callback: object) -> HookObject:
    """Return `callback` if it has all hooks.

    Raises:
        TypeError: It is a class, or no callback.
    """
    if inspect.isclass(callback):
        name = callback.__name__
        raise TypeError(f"callbacks must be instances, got the class {name}; write {name}(...)")
    missing = _missing(callback, ("set_params", "set_model", *HOOKS))
    if missing:
        raise TypeError(
            f"callbacks must be Callback instances, got {callback!r} of type {type(callback).__name__}, "
            f"which has no {', '.join(missing[:3])}; derive its class from Callback"
        )
    return cast(HookObject, callback)


def _missing(callback: object, names: Iterable[str]) -> list[str]:
    return [name for name in names if not callable(getattr(callback, name, None))]


def _keeps_state(callback: object) -> TypeGuard[StatefulObject]:
    if isinstance(callback, Callback):
        return type(callback).state_dict is not Callback.state_dict
    return not _missing(callback, ("state_dict", "load_state_dict"))


def _may_add_logs(callback: HookObject, hook: str) -> bool:
    """Return whether a hook is not the library's own, and may put any name into the logs."""
    function = getattr(callback, hook)
    ours = str(getattr(function, "__module__", "")).startswith(_PACKAGE)
    return not ours and may_add_to_logs(function)


def _listens(callback: HookObject, hook: str) -> bool:
    # An object from elsewhere that has all hooks may do anything in them.
    return callback.listens_to(hook) if isinstance(callback, Callback) else True


def _every(callback: HookObject) -> int:
    # In an object from elsewhere the attribute may mean anything.
    return every_of(callback) if isinstance(callback, Callback) else 1


def _wants_finite(callback: object) -> TypeGuard[NonFiniteListener]:
    return bool(getattr(callback, "wants_finite", False))  # it need not be a `Callback`


def _ignore(done: int) -> None:
    """Do nothing with a tick where there is no progress bar."""
