"""Captions in a photo's own metadata, and in XMP sidecars."""
