"""The settings that published pipelines ask for."""

from any_name import __getattr__  # noqa: F401


def floatx():
    return "float32"


def image_data_format():
    return "channels_last"
