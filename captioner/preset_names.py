"""The names of the shipped models, to be asked without loading anything."""

DEFAULT_PRESET = "everyday"
PRESET_NAMES = ("everyday", "flickr8k", "flickr8k-gru", "flickr8k-rnn")
