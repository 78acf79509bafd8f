"""How Keras and TensorFlow are to behave, settled before either is imported: importing this imports neither."""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"  # the training step, and the converters to LiteRT, speak to TensorFlow
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # faster products, which TensorFlow takes only where AVX-512 is
