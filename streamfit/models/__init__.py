"""`Model` and `Sequential`, saved models and copies of models."""

from __future__ import annotations

from streamfit.models.cloning import clone_model
from streamfit.models.model import Model
from streamfit.models.saved_model import load_model, model_from_json, save_model
from streamfit.models.sequential import Sequential

__all__ = ["Model", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]
