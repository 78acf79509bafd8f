"""Where the time of a first caption goes: one photo, step by step, in a process of its own; milliseconds as JSON.

python scripts/benchmarks/first_caption.py PHOTO

The command does some of this at the same time, so that it takes less than the sum.
"""

import json
import sys
import time
from importlib import import_module


def main(photo: str) -> None:
    taken, before = {}, time.perf_counter()

    def lap(name: str) -> None:
        nonlocal before
        now = time.perf_counter()
        taken[name], before = 1000 * (now - before), now

    for name in ("numpy", "PIL.Image", "ai_edge_litert.interpreter", "click"):
        import_module(name)
    lap("imports of NumPy, Pillow, LiteRT and Click")
    import_module("captioner.cli.batch")
    from captioner.images import read_image
    from captioner.inference import Captioner
    from captioner.presets import open_model

    lap("imports of its own")
    made = Captioner(open_model("flickr8k"))
    made.tokenizer  # noqa: B018
    lap("the folder's files and their hashes")
    encoder, decoder = made.encoder, made.decoder
    encoder.check()
    lap("opening the encoder's graph")
    decoder.check()
    lap("opening the decoder's graph")
    image = read_image(photo, encoder.image_size)
    lap("reading the photo")
    features = encoder(image[None])
    lap("encoding it")
    decoder.begin(features)
    lap("beginning its captions")
    made.caption_features(features)
    lap("beginning them again, and the search")
    print(json.dumps(taken))


if __name__ == "__main__":
    main(sys.argv[1])
