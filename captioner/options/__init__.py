"""Every set of options as a frozen dataclass: defaults, checks when made, JSON both ways.

Each is imported when it is asked for: whoever captions needs few of them.
"""

from importlib import import_module

SPLITS = ("train", "dev", "test")

_HOMES = {
    "Options": "base",
    "BootstrapOptions": "bootstrap",
    "DecodingOptions": "decoding",
    "DECODERS": "network",
    "NetworkOptions": "network",
    "OutputOptions": "outputs",
    "PrepareOptions": "preparing",
    "FineTuningOptions": "training",
    "SelfCriticalOptions": "training",
    "SettlingOptions": "training",
    "ServerOptions": "serving",
    "ShapeOptions": "shape",
    "TrainingOptions": "training",
}
__all__ = ["SPLITS", *_HOMES]


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
