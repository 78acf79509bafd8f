"""Training: teacher forcing, the run around it, and the model folder it ends in.

What a run is, and where it stands, can be asked without Keras, which is loaded with `train`.
"""

from importlib import import_module

_HOMES = {"Listener": "run", "Run": "run", "suitable_decoding": "run", "train": "loop"}
__all__ = ["Listener", "Run", "suitable_decoding", "train"]


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
