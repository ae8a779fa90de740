"""`SourceTraits`: how a source, or a stage of a pipeline, can be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class SourceTraits:
    """How a source, or a stage of a pipeline, can be read.

    The defaults are those of a source whose batches are numbered and loaded in the main process.

    Args:
        in_workers: Whether workers may load: `load` runs in any process, and it is work. Copying rows of
            arrays in memory is none.
        stages_in_workers: Whether workers may compute stages of a pipeline that is read in order.
        may_change: Whether the content can change between two passes, for example by a callback.
        pulled_ahead: Whether the batches come from an iterator that a thread may pull ahead.
        one_layout: Whether all batches have one structure and one set of shapes and dtypes by construction,
            so that no check is needed.
        copies_rows: Whether loading only copies rows of arrays: it runs no code of the user's, and a thread
            of its own does not pay.
        only_reads: Whether loading only reads and decodes files: it runs no code of the user's, and takes a
            processor for short times, so that kernels need not leave one thread of it a processor.
        batched: Whether an element is a batch of samples.
        seekable: Whether any element of a pass can be loaded alone; else a pass is read in order.
        rewinds: Whether a pass can be started again; an iterator cannot.
        fixed_order: Whether each position holds the same element in every pass and with every seed.
        fixed_ids: Whether each id stands for the same sample in every pass and with every seed, and for no
            other one.
        endless: Whether a pass has no end.
        has_gaps: Whether elements were left out at random, so that neighbours need not follow one another.

    Example:
        >>> SourceTraits(in_workers=True).rewinds
        True
    """

    in_workers: bool = False
    stages_in_workers: bool = False
    may_change: bool = False
    pulled_ahead: bool = False
    one_layout: bool = False
    copies_rows: bool = False
    only_reads: bool = False
    batched: bool = True
    seekable: bool = True
    rewinds: bool = True
    fixed_order: bool = True
    fixed_ids: bool = True
    endless: bool = False
    has_gaps: bool = False

    @property
    def counted(self) -> SourceTraits:
        """The traits of elements that are numbered by their position and made of these."""
        return replace(self, fixed_ids=self.fixed_ids and self.fixed_order)


def common_traits(traits: Sequence[SourceTraits], caller: str) -> SourceTraits:
    """Return the traits of elements that come from several stages.

    Args:
        traits: Those of each stage.
        caller: How the user calls the stage that joins them, for messages.

    Raises:
        ValueError: Some are batches and some are single samples.
    """
    if len({each.batched for each in traits}) > 1:
        kinds = ", ".join("batches" if each.batched else "samples" for each in traits)
        raise ValueError(f"{caller} needs inputs of one kind, got {kinds}; write .batch(...) for all or none")
    return SourceTraits(
        in_workers=all(each.in_workers for each in traits),
        may_change=any(each.may_change for each in traits),
        batched=traits[0].batched,
        seekable=all(each.seekable for each in traits),
        rewinds=all(each.rewinds for each in traits),
        fixed_order=all(each.fixed_order for each in traits),
        fixed_ids=all(each.fixed_ids for each in traits),
        endless=any(each.endless for each in traits),
        has_gaps=any(each.has_gaps for each in traits),
    )
