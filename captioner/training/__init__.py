"""Training: teacher forcing, the run around it, and the model folder it ends in."""

from captioner.training.loop import train
from captioner.training.run import Listener, Run

__all__ = ["Listener", "Run", "train"]
