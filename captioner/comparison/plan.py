"""What is to be compared, and whether it can be: settled before anything is trained."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from captioner.comparison.sizes import Surroundings, matched_networks
from captioner.datasets import Dataset
from captioner.errors import CaptionerError, OptionsError
from captioner.files import check_writable, make_folder
from captioner.model_folder import EncoderInfo
from captioner.options import DECODERS, NetworkOptions, TrainingOptions
from captioner.training import Run, suitable_decoding
from captioner.training.standing import check_nothing_else, is_finished

PAGE, REPORT, FIGURE = "compare.md", "compare.json", "compare.png"


@dataclass(frozen=True)
class Comparison:
    """Runs that differ in their cell alone, each in a folder of its decoder's name.

    asked: the network of every run but for its decoder, and its units where these were matched.
    """

    output_dir: Path
    dataset: Dataset
    asked: NetworkOptions
    is_matched: bool
    runs: dict[str, Run]  # by decoder

    @property
    def around(self) -> Surroundings:
        return _around(self.dataset, next(iter(self.runs.values())).encoder)


def parse_decoders(text: str) -> tuple[str, ...]:
    """`rnn,lstm` -> ("rnn", "lstm"). Raises: OptionsError for one that is unknown or named twice, or fewer than two."""
    decoders = tuple(name.strip() for name in text.split(","))
    for name in decoders:
        if name not in DECODERS:
            raise OptionsError(f"unknown decoder {name!r}; choose from {', '.join(DECODERS)}")
    twice = [name for name in DECODERS if decoders.count(name) > 1]
    if twice:
        raise OptionsError(f"--decoders names {twice[0]} twice; each is trained once")
    if len(decoders) < 2:
        raise OptionsError(f"--decoders takes two or more of {', '.join(DECODERS)} to compare, not {text!r} alone")
    return decoders


def planned(
    dataset: Dataset,
    output_dir: Path,
    encoder: tuple[EncoderInfo, Path],
    decoders: Sequence[str],
    network: NetworkOptions,
    training: TrainingOptions,
    match_parameters: bool,
) -> Comparison:
    """encoder: that of the dataset, and the path of its graph.

    Raises: DatasetError when there is no train split; OptionsError when parameters cannot be matched.
    """
    dataset.split("train")
    networks = {decoder: replace(network, decoder=decoder) for decoder in decoders}
    if match_parameters:
        networks = matched_networks(networks, _around(dataset, encoder[0]))
    decoding = suitable_decoding(dataset)
    runs = {
        decoder: Run(dataset, output_dir / decoder, *encoder, network, training, decoding)
        for decoder, network in networks.items()
    }
    return Comparison(output_dir, dataset, network, match_parameters, runs)


def unfinished_runs(comparison: Comparison, resume: bool) -> list[Run]:
    """The runs that are to be trained, or gone on with, in order; without `resume` all of them.

    Raises: CaptionerError when the folder cannot be written, or holds something else; OptionsError when it holds a
    run with other options; ModelError when a run there cannot be read.
    """
    folder = comparison.output_dir
    make_folder(folder)
    check_writable(folder)
    if not (folder / REPORT).exists():  # written first: the others are of a comparison only beside it
        for name in (PAGE, FIGURE):
            if (folder / name).exists():
                raise CaptionerError(f"{folder / name} would be overwritten; give another folder")
    runs = list(comparison.runs.values())
    if resume:
        return [run for run in runs if not is_finished(run)]
    for run in runs:
        check_nothing_else(run)
    return runs


def _around(dataset: Dataset, encoder: EncoderInfo) -> Surroundings:
    return Surroundings(len(dataset.tokenizer), encoder.num_regions, encoder.depth)
