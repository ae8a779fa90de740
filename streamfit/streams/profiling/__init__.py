"""Profiling: where the time of a stream goes; the stages of a pipeline, workers, transport, model."""
