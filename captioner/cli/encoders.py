"""The encoder that a dataset is prepared with."""

from captioner.quiet import without_native_chatter


def open_encoder(name: str):
    """The LiteRT encoder of that name, as `inference.Encoder`. Raises: OptionsError for an unknown name."""
    from captioner.encoders import encoder_key, encoder_spec
    from captioner.inference import Encoder

    with without_native_chatter():
        return Encoder(encoder_spec(name).tflite_path, encoder_key(name))


def encoder_info(name: str):
    """What a model trained on that encoder's features needs to say of it. Raises: OptionsError."""
    from captioner.encoders import encoder_key, encoder_spec
    from captioner.model_folder import EncoderInfo

    spec = encoder_spec(name)
    return EncoderInfo(name, encoder_key(name), spec.image_size, spec.num_regions, spec.depth)
