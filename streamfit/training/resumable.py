"""`Resumable`: the state of a run of `fit`, and how another run continues from it.

Guarantees kept here: a run is resumed only with the data, the arguments and the optimizer of the interrupted
one; the changes that the repeated hooks of an epoch under way make are undone.
"""

from __future__ import annotations

import contextlib

from streamfit._base.plain import pack
from streamfit.streams import Feed
from streamfit.training.batches import Streams
from streamfit.training.callbacks import CallbackList, History
from streamfit.training.plan import FitPlan
from streamfit.training.runner import Runner
from streamfit.training.trainable import Trainable
from streamfit.training.training_state import TrainingState, capture, check_same_run, restore
from streamfit.training.validation import Validation


class Resumable:
    """The part of a run of `fit` that stops and continues; the rest of the run sets all attributes."""

    _model: Trainable
    _runner: Runner
    _streams: Streams
    _plan: FitPlan
    _seed: int
    _feed: Feed
    _validation: Validation | None
    _callbacks: CallbackList
    _history: History
    _settings: dict[str, object]  # of the optimizer, when the run began
    _until_end: contextlib.ExitStack
    _resumed: TrainingState | None  # until its epoch continues
    _epoch_now: int
    _next_epoch: int
    _steps_before: int
    _logs_before: dict[str, object]

    def keep(self, context: contextlib.AbstractContextManager[object]) -> None:
        """Enter a context that is left when this run ends, however it ends."""
        self._until_end.enter_context(context)

    def check_state(self) -> None:
        """Raise now the error that a backup would raise at the end of the first epoch.

        Raises:
            TypeError: A callback's state cannot be kept.
        """
        with contextlib.suppress(AttributeError):  # some callbacks make their attributes in later hooks
            for entry in self._callbacks.state():
                pack(entry["state"], f"the state of callback {entry['class']}")

    def state(self, *, ended: dict[str, object] | None = None) -> TrainingState:
        """Return everything that is needed to continue from here, but for the history.

        Args:
            ended: The logs of the epoch, when it has just ended; None in the middle of an epoch.
        """
        state = capture(self._model, self._runner, self._settings)
        if ended is not None:
            state.arrays = {
                name: array for name, array in state.arrays.items() if not name.startswith("score/")
            }
        streams = {
            name: feed.state(within=ended is None and name == "training")
            for name, feed in self._feeds().items()
        }
        state.facts |= {
            "seed": self._seed,
            "hash_seed": self._streams.hash_seed,
            "epoch": self._epoch_now + (ended is not None),
            "step": 0 if ended is not None else self._feed.delivered,
            "logs": {} if ended is not None else self._runner.logs(),
            "stopped": bool(self._model.stop_training),
            "arguments": self._arguments(),
            "streams": streams,
            "callbacks": self._callbacks.state(),
        }
        return state

    def resume(self, state: TrainingState, *, replay: bool = False) -> None:
        """Continue where another run of equal data and model was when its `state` was taken.

        Called by a callback in `on_train_begin`.

        Args:
            state: What `state` returned.
            replay: Whether a plain generator may be pulled and dropped up to there.

        Raises:
            ValueError: The state is that of another model, or of a `fit` with other arguments.
            DataError: The data are not those of the state, or cannot go to that place.
        """
        restore(self._model, self._runner, state, self._settings)
        check_same_run(state.facts, self._arguments(), self._plan.epochs)
        self._streams.use_hash_seed(state.facts["hash_seed"])
        streams, feeds = state.facts["streams"], self._feeds()
        for name, feed in feeds.items():
            feed.check_identity(streams[name])
        # Callbacks first: one that changes data as training continues brings them to where they were.
        self._callbacks.load_state(state.facts["callbacks"])
        for name, feed in feeds.items():
            feed.resume(streams[name], replay=replay)
        self._next_epoch, self._steps_before = state.facts["epoch"], state.facts["step"]
        self._logs_before, self._resumed = state.facts["logs"], state
        self._model.stop_training = self._model.stop_training or state.facts["stopped"]
        self._seed = state.facts["seed"]  # a Source of the user's may have another
        self._runner.reseed(self._seed)

    def _feeds(self) -> dict[str, Feed]:
        if self._validation is None:
            return {"training": self._feed}
        return {"training": self._feed, "validation": self._validation.feed}

    def _arguments(self) -> dict[str, object]:
        """Return the arguments of `fit` that a resumed run must have in common with the interrupted one."""
        plan = self._plan
        return {
            "steps_per_epoch": plan.steps_per_epoch,
            "validation_data": "given" if plan.validation is not None else None,
            "validation_steps": plan.validation_steps,
        }

    def _continue_history(self) -> None:
        """Continue with the history of an interrupted run, after the new run has begun."""
        if self._resumed is not None:
            self._history.resume(self._resumed.facts.get("history", ()), self._seed)
            self._feed.attach(self._history.receipts)

    def _undo_repeated_hooks(self) -> None:
        """Undo the changes of `on_epoch_begin` in an epoch under way: the hook was called before."""
        state, self._resumed = self._resumed, None
        if state is not None:
            restore(self._model, self._runner, state, self._settings)
            self._callbacks.load_state(state.facts["callbacks"])
