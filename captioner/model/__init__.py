"""The captioning network in Keras, and its way into a model folder."""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"  # the training step and the export speak to TensorFlow
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from captioner.model.export import export_decoder, load_decoder_weights, save_decoder_weights
from captioner.model.network import CaptionNetwork, build_network, grown_network
from captioner.model.packing import Packing

__all__ = [
    "CaptionNetwork",
    "Packing",
    "build_network",
    "export_decoder",
    "grown_network",
    "load_decoder_weights",
    "save_decoder_weights",
]
