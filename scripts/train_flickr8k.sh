#!/bin/sh
# Makes the shipped preset from a copy of Flickr8k: every stage goes on where it stopped when called again.
#
#     scripts/train_flickr8k.sh path/to/flickr8k
set -eu
captioner prepare "$1" data/flickr8k
captioner train data/flickr8k runs/lstm
python scripts/install_preset.py runs/lstm flickr8k data/flickr8k
