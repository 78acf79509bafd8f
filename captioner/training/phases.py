"""The phases of a run: the decoder by teacher forcing, and what follows once it has settled."""

from dataclasses import replace

from captioner.model import CaptionNetwork
from captioner.training.devices import EveryDevice, OneDevice
from captioner.training.judge import DevJudge
from captioner.training.lessons import lessons_of
from captioner.training.phase import Phase
from captioner.training.run import Run
from captioner.training.seeing import Eyes, SeeingNetwork
from captioner.training.self_critical import Reward, SelfCriticalTrainer
from captioner.training.teacher_forcing import Trainer


def first_phase(run: Run, decoder: CaptionNetwork, devices: OneDevice | EveryDevice) -> Phase:
    """The decoder learns by teacher forcing from the features that the dataset holds."""
    lessons = lessons_of(run, run.encoder)
    trainer = Trainer(
        decoder, run.training, lessons.num_steps(run.training.batch_size) * run.training.epochs, devices=devices
    )
    return Phase(run, trainer, lessons, DevJudge(decoder, run, run.encoder))


def second_phase(run: Run, eyes: Eyes | None, decoder: CaptionNetwork, devices: OneDevice | EveryDevice) -> Phase:
    """A decoder that has settled learns on: with the blocks of the encoder behind its cut, self-critically, or both;
    or it settles anew, on what the encoder gives in integers.

    eyes: the encoder, where it learns, too.
    """
    options = replace(run.training, epochs=run.num_second_epochs, learning_rate=_learning_rate(run))
    if run.settling is not None:
        options = replace(options, patience=run.settling.patience)
    encoder = run.encoder if eyes is None else eyes
    lessons = lessons_of(run, encoder)
    network = decoder if eyes is None else SeeingNetwork(eyes.rest, decoder)
    of_encoder = set() if eyes is None else {id(variable) for variable in eyes.rest.trainable_variables}

    def factor_of(variable) -> float:
        return run.fine_tuning.learning_rate / options.learning_rate if id(variable) in of_encoder else 1.0

    num_steps = lessons.num_steps(options.batch_size) * options.epochs
    if run.self_critical is None:
        trainer = Trainer(network, options, num_steps, factor_of, devices)
    else:
        reward = Reward(run.dataset.split("train"), run.tokenizer)
        trainer = SelfCriticalTrainer(network, options, run.self_critical, reward, num_steps, factor_of, devices)
    return Phase(run, trainer, lessons, DevJudge(network, run, encoder))


def _learning_rate(run: Run) -> float:
    """Of the decoder, in the second phase."""
    if run.settling is not None:
        return run.settling.learning_rate
    return run.fine_tuning.decoder_learning_rate if run.self_critical is None else run.self_critical.learning_rate
