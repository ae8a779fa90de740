"""Stands in for what a framework has: a name for everything that is asked for, which does nothing."""


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return Nothing


class _AnyName(type):
    def __getattr__(cls, name):
        return __getattr__(name)


class Nothing(metaclass=_AnyName):
    """What every name stands for, unless a stand-in says more."""

    def __init__(self, *args, **kwargs):
        pass

    def __getattr__(self, name):
        return __getattr__(name)
