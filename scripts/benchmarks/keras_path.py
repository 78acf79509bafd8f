"""One caption by the Keras networks of a model, as a process of its own: what captioning would cost without LiteRT.

python scripts/benchmarks/keras_path.py PHOTO
"""

import sys
from pathlib import Path

import captioner.training_stack  # noqa: F401  (before Keras)
from captioner.decoder_weights import whole_decoder_weights
from captioner.decoding import beam_search
from captioner.encoders import build_encoder
from captioner.images import read_image
from captioner.model import build_network, load_weights
from captioner.preset_names import DEFAULT_PRESET
from captioner.presets import open_model


def caption(photo: Path) -> str:
    folder = open_model(DEFAULT_PRESET)
    encoder = build_encoder(folder.encoder.name)
    if folder.encoder_weights_path is not None:
        load_weights(encoder, folder.encoder_weights_path)
    grid = folder.encoder.num_regions, folder.encoder.depth
    decoder = build_network(folder.network, folder.vocabulary_size, *grid)
    with whole_decoder_weights(folder.path) as path:
        load_weights(decoder, path)
    features = encoder(read_image(photo, folder.encoder.image_size)[None], training=False)

    def step(**inputs):
        return {name: array.numpy() for name, array in decoder.step(**inputs).items()}

    begun = {name: array.numpy() for name, array in decoder.begin(features).items()}
    ((best,),) = beam_search(step, begun, folder.decoding)
    return folder.tokenizer.decode(best.tokens)


if __name__ == "__main__":
    print(caption(Path(sys.argv[1])))
