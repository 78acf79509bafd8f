#!/bin/sh
# Makes the shipped presets from a copy of Flickr8k: every stage goes on where it stopped when called again.
#
#     scripts/train_flickr8k.sh path/to/flickr8k
set -eu
captioner prepare "$1" data/flickr8k --encoder-precision float  # these presets are from before there was int8
captioner train data/flickr8k runs/base
captioner train data/flickr8k runs/tuned --init runs/base --fine-tune-encoder --crops 4 --epochs 5 \
    --fine-tune-learning-rate 0.00005
python scripts/install_preset.py runs/tuned flickr8k data/flickr8k --examples scripts/flickr8k_examples.md \
    --rung runs/base "teacher forcing of the decoder" \
    --rung runs/tuned "teacher forcing of both, the encoder from stage 6 on"
captioner evaluate data/flickr8k --split dev --model flickr8k --predictions-out runs/dev.jsonl
head -n 100 runs/dev.jsonl > tests/shipped_captions.jsonl
for decoder in gru rnn; do
    captioner train data/flickr8k "runs/$decoder" --decoder "$decoder" --epochs 8
    python scripts/install_preset.py "runs/$decoder" "flickr8k-$decoder" data/flickr8k
done
