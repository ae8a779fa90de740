"""Types of the library that ``hypothesis.strategies.from_type`` draws."""

from __future__ import annotations

from streamfit.streams import Batch, Pipeline, Source, Ticket
from streamfit.testing.pipeline_steps import DrawnPipeline
from streamfit.testing.strategies.drawn_data import batches, tickets
from streamfit.testing.strategies.drawn_pipelines import pipelines
from streamfit.testing.strategies.hypothesis_package import st


def _opened(drawn: DrawnPipeline) -> Source:
    return drawn.make().open_source()


REGISTERED_TYPES: dict[type, st.SearchStrategy[object]] = {
    Batch: batches(),
    Pipeline: pipelines().map(DrawnPipeline.make),
    Source: pipelines(batched=True).map(_opened),
    Ticket: tickets(),
}
"""The strategy of each."""

for _drawn, _strategy in REGISTERED_TYPES.items():
    st.register_type_strategy(_drawn, _strategy)
