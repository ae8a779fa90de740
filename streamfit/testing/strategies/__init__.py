"""Hypothesis strategies for data, files, pipelines and interruptions, and a state machine for your sources.

This is the only package that needs Hypothesis: ``pip install 'streamfit[testing]'``.
"""

from __future__ import annotations

from streamfit._base.optional import require

require("hypothesis", "testing")  # names the package to install, before the modules below import it

from hypothesis import strategies as st  # noqa: E402

from streamfit.streams import Batch, Pipeline, Source, Ticket  # noqa: E402
from streamfit.testing.interruption import Interruption, Interruptions, with_interruptions  # noqa: E402
from streamfit.testing.pipeline_steps import DrawnPipeline, PipelineBase, PipelineStep  # noqa: E402
from streamfit.testing.stage_functions import (  # noqa: E402
    NumberBatches,
    NumbersInOrder,
    as_many,
    backwards,
    increased,
    increased_in_place,
    negated,
    no_third,
    noisy,
)
from streamfit.testing.strategies.drawn_data import (  # noqa: E402
    ODD_DTYPES,
    PLAIN_DTYPES,
    Arrays,
    KnownSequence,
    PlannedGenerator,
    arrays,
    batch_sizes,
    batches,
    data_sets,
    dtypes,
    generators,
    ragged,
    sequences,
    tickets,
)
from streamfit.testing.strategies.drawn_files import files  # noqa: E402
from streamfit.testing.strategies.drawn_interruptions import interruptions  # noqa: E402
from streamfit.testing.strategies.drawn_pipelines import pipelines  # noqa: E402
from streamfit.testing.strategies.drawn_settings import (  # noqa: E402
    WorkerSettings,
    epochs,
    fault_plans,
    resume_points,
    worker_settings,
)
from streamfit.testing.strategies.state_machine import StreamMachine  # noqa: E402
from streamfit.testing.written_files import FileLayout, TableColumn, WrittenFiles  # noqa: E402

__all__ = [
    "ODD_DTYPES",
    "PLAIN_DTYPES",
    "Arrays",
    "DrawnPipeline",
    "FileLayout",
    "Interruption",
    "Interruptions",
    "KnownSequence",
    "NumberBatches",
    "NumbersInOrder",
    "PipelineBase",
    "PipelineStep",
    "PlannedGenerator",
    "StreamMachine",
    "TableColumn",
    "WorkerSettings",
    "WrittenFiles",
    "arrays",
    "as_many",
    "backwards",
    "batch_sizes",
    "batches",
    "data_sets",
    "dtypes",
    "epochs",
    "fault_plans",
    "files",
    "generators",
    "increased",
    "increased_in_place",
    "interruptions",
    "it",
    "negated",
    "no_third",
    "noisy",
    "pipelines",
    "ragged",
    "resume_points",
    "sequences",
    "tickets",
    "with_interruptions",
    "worker_settings",
]

st.register_type_strategy(Ticket, tickets())
st.register_type_strategy(Batch, batches())
st.register_type_strategy(Pipeline, pipelines().map(DrawnPipeline.make))
st.register_type_strategy(Source, pipelines(batched=True).map(lambda drawn: drawn.make().open_source()))
