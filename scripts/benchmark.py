"""Figures of speed and memory, measured on the machine at hand, as JSON.

    python scripts/benchmark.py caption [--quick] [--json FILE]                # beside its marks, as a table
    python scripts/benchmark.py caption-choices                           # batch sizes and threads
    python scripts/benchmark.py encoder-speed [--photos DIR]              # in integers and in float
    python scripts/benchmark.py annotations-growth
    python scripts/benchmark.py prepare-speed [--photos DIR]
    python scripts/benchmark.py prepare-growth [--photos DIR]
    python scripts/benchmark.py train-speed data/flickr8k      # beside the plain loop of benchmarks/plain_loop.py
    python scripts/benchmark.py decoder-speed data/flickr8k
    python scripts/benchmark.py train-growth data/flickr8k

What is compared runs in turn, in one go: only the ratios say something of another machine.
"""

import argparse
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path

from benchmarks import annotations, captioning, choices, encoding, preparing, training

_PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "numpy", "pillow")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="BENCHMARK")

    def add(name, measure, *arguments):
        command = commands.add_parser(name, help=measure.__doc__.splitlines()[0])
        for names, settings in arguments:
            command.add_argument(names, **settings)
        command.set_defaults(measure=measure)

    photos = "--photos", {"dest": "photos_dir", "type": Path, "metavar": "DIR", "help": "a folder of real photos"}
    data_dir = "data_dir", {"type": Path, "help": "a prepared dataset"}
    steps = "--steps", {"dest": "num_steps", "type": int, "default": 100, "help": "of each turn"}
    turns = "--turns", {"type": int, "default": 3}
    quick = "--quick", {"action": "store_true", "help": "fewer turns and photos: about a minute"}
    json_path = "--json", {"dest": "json_path", "type": Path, "metavar": "FILE", "help": "write the figures there"}
    peer = "--peer-python", {"metavar": "FILE", "help": "Python with PyTorch and transformers, for BLIP-base"}
    add("caption", captioning.caption, quick, peer, json_path)
    add("caption-choices", choices.caption_choices, turns)
    add("encoder-speed", encoding.encoder_speed, photos)
    add("annotations-growth", annotations.annotations_growth)
    add("prepare-speed", preparing.prepare_speed, photos)
    add("prepare-growth", preparing.prepare_growth, photos)
    add("train-speed", training.train_speed, data_dir, steps, turns)
    add("decoder-speed", training.decoder_speed, data_dir, steps, turns)
    add("train-growth", training.train_growth, data_dir)
    asked = vars(parser.parse_args())
    measure = asked.pop("measure")
    machine = {"machine": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()}
    machine |= {package: version(package) for package in _PACKAGES}
    json_path = asked.pop("json_path", None)
    figures = machine | measure(**asked)
    if json_path is not None:
        json_path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(figures.pop("table") if "table" in figures else json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
