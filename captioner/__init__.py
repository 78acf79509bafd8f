"""Captions for photos: a pretrained CNN sees, a recurrent network speaks."""

__version__ = "0.1.0"
__all__ = ["Captioner", "__version__"]


def __getattr__(name):
    # Lazy, so that `captioner --help` imports neither NumPy nor Pillow.
    if name == "Captioner":
        from captioner.inference import Captioner

        return Captioner
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
