"""Hypothesis strategies for data, files, pipelines and interruptions, and a state machine for your sources.

This is the only package that needs Hypothesis: ``pip install 'streamfit[testing]'``.
"""

from __future__ import annotations

from streamfit.testing.interruption import Interruption, Interruptions, with_interruptions
from streamfit.testing.pipeline_steps import DrawnPipeline, PipelineBase, PipelineStep
from streamfit.testing.stage_functions import (
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
from streamfit.testing.strategies.drawn_data import (
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
from streamfit.testing.strategies.drawn_files import files
from streamfit.testing.strategies.drawn_interruptions import interruptions
from streamfit.testing.strategies.drawn_pipelines import pipelines
from streamfit.testing.strategies.drawn_settings import (
    WorkerSettings,
    epochs,
    fault_plans,
    resume_points,
    worker_settings,
)
from streamfit.testing.strategies.registered_types import REGISTERED_TYPES
from streamfit.testing.strategies.state_machine import StreamMachine
from streamfit.testing.written_files import FileLayout, TableColumn, WrittenFiles

__all__ = [
    "ODD_DTYPES",
    "PLAIN_DTYPES",
    "REGISTERED_TYPES",
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
