"""Where captions go: writers, figures."""

from captioner.outputs.writers import WRITERS, Writer, open_writer

__all__ = ["WRITERS", "Writer", "open_writer"]
