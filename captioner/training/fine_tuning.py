"""Fine-tuning: the encoder's last blocks learn with a decoder that has settled.

What the blocks before them see of a photo never changes, so it is kept in a cache, photos in a mirror included.
"""

from dataclasses import replace

from captioner.model import CaptionNetwork
from captioner.training.judge import DevJudge
from captioner.training.lessons import flipped_images, lessons_of
from captioner.training.phase import Phase
from captioner.training.photos import fill_cache
from captioner.training.run import Listener, Run
from captioner.training.seeing import Eyes, SeeingNetwork
from captioner.training.teacher_forcing import Trainer


def look_at_photos(run: Run, eyes: Eyes, listener: Listener) -> None:
    """Fills the dataset's cache of what the trunk gives; photos that are there and have not changed are left alone.

    Raises: DatasetError when a photo is missing or cannot be read, or the cache cannot be written.
    """
    examples = [example for example in run.dataset.examples if example.split in ("train", "dev")]
    flipped = flipped_images(run)

    def open_trunk():
        num_bytes = 2 * eyes.num_regions * eyes.depth * (len(examples) + len(flipped))
        listener.say(f"looking at the photos through the encoder's first blocks, once ({num_bytes / 1e9:.1f} GB)")
        return eyes.open_trunk()

    fill_cache(run.dataset.feature_cache(eyes), run.dataset, examples, open_trunk, listener, flipped)


def fine_tuning_phase(run: Run, eyes: Eyes, decoder: CaptionNetwork) -> Phase:
    """The decoder and the blocks of the encoder behind its cut learn together, each at its own learning rate."""
    tuning = run.fine_tuning
    options = replace(run.training, epochs=tuning.epochs, learning_rate=tuning.decoder_learning_rate)
    lessons = lessons_of(run, eyes)
    of_encoder = {id(variable) for variable in eyes.rest.trainable_variables}
    network = SeeingNetwork(eyes.rest, decoder)
    trainer = Trainer(
        network,
        options,
        lessons.num_steps(options.batch_size) * options.epochs,
        lambda variable: tuning.learning_rate / tuning.decoder_learning_rate if id(variable) in of_encoder else 1.0,
    )
    return Phase(run, trainer, lessons, DevJudge(network, run, eyes))
