"""The captioning network in Keras, and its way into a model folder."""

import captioner.training_stack  # noqa: F401  (before Keras)
from captioner.model.export import (
    decoder_signatures,
    export_decoder,
    load_weights,
    save_decoder_weights,
    save_signatures,
    save_weights,
)
from captioner.model.network import CaptionNetwork, build_network, check_growth, grown_network
from captioner.model.packing import Packing

__all__ = [
    "CaptionNetwork",
    "Packing",
    "build_network",
    "check_growth",
    "decoder_signatures",
    "export_decoder",
    "grown_network",
    "load_weights",
    "save_decoder_weights",
    "save_signatures",
    "save_weights",
]
