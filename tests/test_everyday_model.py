"""The default model: on photos of things that Flickr8k hardly shows, and on photos that it never learned from."""

from pathlib import Path

PHOTOS = Path(__file__).parents[1] / "data" / "photos"
# What it said of Flickr8k's first 100 dev photos when its scores were taken.
SAID = Path(__file__).with_name("everyday_captions.jsonl")
