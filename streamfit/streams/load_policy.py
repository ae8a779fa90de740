"""`LoadPolicy`: the treatment of loads that hang, raise an exception or kill a worker.

Guarantee kept here: no sample is left out unless the user allows it and says how many at most; a rule that
has no effect for a source is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from streamfit._base.checks import real, whole_or_none
from streamfit.streams.source import Source
from streamfit.streams.source_reader import TicketSource


@dataclass(frozen=True)
class LoadPolicy:
    """Set how long loads may take, and the treatment of samples that cannot be loaded.

    Args:
        load_timeout: Seconds that a load may take before its worker process counts as hung and is replaced;
            None sets the limit by the earlier loads, at least one minute.
        on_bad_sample: The treatment of a sample whose load raises an exception or kills its workers:
            ``'raise'``, or ``'skip'`` to leave it out of its batch.
        max_bad_samples: How many may be left out in all; needed with ``'skip'``.

    Raises:
        TypeError: An argument that must be a number is not.
        ValueError: Arguments are out of range or contradict each other.

    Example:
        >>> LoadPolicy().tolerance is None, LoadPolicy(on_bad_sample="skip", max_bad_samples=3).tolerance
        (True, 3)
    """

    load_timeout: float | None = None
    on_bad_sample: str = "raise"
    max_bad_samples: int | None = None

    def __post_init__(self) -> None:
        seconds = self.load_timeout
        if seconds is not None and real(seconds) is None:
            raise TypeError(f"load_timeout must be a number of seconds or None, got {seconds!r}")
        if seconds is not None and not seconds > 0:
            raise ValueError(f"load_timeout={seconds}: write a positive number of seconds")
        if self.on_bad_sample not in ("raise", "skip"):
            raise ValueError(f"on_bad_sample must be 'raise' or 'skip', got {self.on_bad_sample!r}")
        assign = object.__setattr__  # the class is frozen
        assign(self, "load_timeout", None if seconds is None else real(seconds))
        assign(self, "max_bad_samples", whole_or_none("max_bad_samples", self.max_bad_samples, 1))
        if self.on_bad_sample == "skip" and self.max_bad_samples is None:
            raise ValueError(
                "on_bad_sample='skip' needs max_bad_samples: write how many samples may be left out in all"
            )
        if self.on_bad_sample == "raise" and self.max_bad_samples is not None:
            raise ValueError(
                f"max_bad_samples={self.max_bad_samples} has no effect with on_bad_sample='raise'; write "
                "on_bad_sample='skip' to leave samples out"
            )

    @property
    def tolerance(self) -> int | None:
        """How many samples may be left out; None if a sample that cannot be loaded is an error."""
        return whole_or_none("max_bad_samples", self.max_bad_samples, 1)

    def check(self, source: Source, kind: str) -> None:
        """Check that the rules have an effect for a source.

        Args:
            source: The source.
            kind: The kind of pool that loads it: ``'inline'``, ``'threads'`` or ``'processes'``.

        Raises:
            ValueError: A rule has no effect.
        """
        if self.tolerance is not None:
            check_skips(source)
        if self.load_timeout is not None and kind != "processes":
            raise ValueError(
                f"load_timeout={self.load_timeout}: source {source.name!r} is not loaded by processes, "
                "and nothing else can be stopped. Pass a Sequence or a Source, workers=1 or more and "
                "use_multiprocessing=True."
            )


def check_skips(source: TicketSource) -> None:
    """Check that samples of a source can be left out.

    Raises:
        ValueError: The source is read in order, so that what lies behind a bad sample cannot be reached.
    """
    if not source.traits.seekable:
        raise ValueError(
            f"on_bad_sample='skip' cannot be used: source {source.name!r} is read in order. It is a "
            "generator, and what it has not yielded cannot be left out, or a pipeline behind a generator, a "
            "filter or unbatch(). Skip bad samples in the generator, leave them out in a filter, or write a "
            "Sequence."
        )
