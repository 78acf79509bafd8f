"""The names of the shipped models, to be asked without loading anything."""

DEFAULT_PRESET = "flickr8k"
PRESET_NAMES = ("flickr8k", "flickr8k-gru", "flickr8k-rnn")
