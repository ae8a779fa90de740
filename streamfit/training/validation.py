"""`Validation`: the validation of a run of `fit`; training is not touched.

Guarantee kept here: validation never advances, reseeds or delays the training data.
"""

from __future__ import annotations

from collections.abc import Callable

from streamfit._base.keys import derive
from streamfit.streams import Feed, Source
from streamfit.training.batches import Data, Streams, need_steps
from streamfit.training.callback_hooks import make_hooks
from streamfit.training.callbacks import CallbackList
from streamfit.training.loop import run_steps
from streamfit.training.model_call import ModelCall
from streamfit.training.plan import FitPlan
from streamfit.training.stopping import running
from streamfit.training.trainable import Trainable
from streamfit.training.user_warnings import OUT_OF_DATA_VALIDATING


class Validation:
    """Evaluate a model on the validation data of a `fit`, as often as its plan says.

    Args:
        data: The validation data.
        plan: The arguments of `fit`.
        streams: Opens the data.
        seed: The seed of the run.
        loading: Makes what the program is fed of a source of inputs; see `Runner.loading`.

    Attributes:
        feed: The validation data in use.

    Raises:
        ValueError: A plain generator is to be used several times, and no number of steps is given.
    """

    def __init__(
        self,
        data: Data,
        plan: FitPlan,
        streams: Streams,
        seed: int,
        loading: Callable[[Source, bool], Source],
    ) -> None:
        source = loading(data.source(derive(seed, "validation") >> 1, "validation data"), False)
        steps, times = plan.validation_steps, plan.validations()
        if not source.traits.rewinds and times > 1:
            need_steps(data.x, steps, "validation_steps")
        total = None if steps is None else steps * times
        self._steps = steps
        self.feed: Feed = streams.feed(source, wrap=plan.wrap and steps is not None, total=total)

    def run(
        self,
        model: Trainable,
        call: ModelCall,
        callbacks: CallbackList,
        warn_once: Callable[[str, str], None],
    ) -> dict[str, object]:
        """Run validation and return its logs, with names that begin with ``val_``.

        Args:
            model: The model.
            call: The call of `fit`.
            callbacks: Those of the run.
            warn_once: Called with a text and details where the data ended too early.
        """
        feed, steps = self.feed, self._steps
        call.begin_results(feed.source.name)
        with running(model, "stop_evaluating") as stopped:
            callbacks.on_test_begin()
            call.refresh_bindings()
            if feed.source.traits.rewinds:
                feed.restart()  # data that can start again do; a generator continues
            hooks = make_hooks(callbacks, call, "test", stopped, total=feed.steps(steps))
            done = run_steps(feed.run(steps, hooks.steps_per_execution), call.test, hooks)
            if not stopped() and feed.done < (steps or 1):
                details = f" {steps or 1} batches were wanted and {feed.done} came."
                warn_once(OUT_OF_DATA_VALIDATING, details)
            logs = call.logs() if done else {}
            callbacks.on_test_end(logs)
        return {f"val_{name}": value for name, value in logs.items()}
