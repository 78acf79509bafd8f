#!/usr/bin/env bash
# Trains the model of everyday photos. Every stage goes on where it stopped when the script is called again.
#
#     scripts/train_everyday.sh EVERYDAY FLICKR8K
#
# EVERYDAY: a folder with images/ and captions.csv (image,caption,split), such as a part of COCO. FLICKR8K: the
# dataset as its authors laid it out; here it only judges, as photos of another kind.
# The records of all stages are in runs/everyday: training.json of each model, its log, scores as JSON.
set -euo pipefail
everyday=$1
flickr8k=$2
runs=runs/everyday
mkdir -p "$runs"

stage() { # a stage's name, and its command: what it says goes to the terminal and to a log
    name=$1
    shift
    echo "== $name: $*"
    "$@" 2>&1 | tee -a "$runs/$name.log"
}

score() { # a model's name: its dev scores on both kinds of photos
    for data in everyday flickr8k; do
        [ -s "$runs/$1.$data.json" ] ||
            stage "$1" captioner evaluate "data/$data" --split dev --model "$runs/$1" --json "$runs/$1.$data.json"
    done
}

stage prepare captioner prepare "$everyday/captions.csv" data/everyday --images "$everyday/images"
stage prepare captioner prepare "$flickr8k" data/flickr8k

# 39,000 photos with 1.3 captions each: 32 photos a step are about half as many captions as 16 of Flickr8k have
stage base captioner train data/everyday "$runs/base" --batch-size 32 --epochs 8 --learning-rate 0.001 --no-mirror
score base

# into the package, where this repository is checked out and installed with `pip install -e`
stage ship python "$(dirname "$0")/install_preset.py" "$runs/base" everyday data/everyday
