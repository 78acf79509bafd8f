"""Does the rule that keeps an epoch choose better than the highest dev score? Asked on photos that did not choose.

    python scripts/epoch_choice.py record RESULTS.json -- data/flickr8k runs/one --no-mirror --epochs 6 --seed 0
    python scripts/epoch_choice.py compare RESULTS.json ...

`record` runs `captioner train` with what follows `--`, and keeps what each epoch reached on each dev photo. `compare`
draws halves of the dev photos: each rule chooses an epoch by one half (and by the loss, which is of all photos), and
the other half, which did not choose, says how good that epoch is.
"""

import json
import sys
from pathlib import Path

import numpy as np

from captioner.training.selection import DevResult, select

NUM_HALVES = 1000

RULES = {
    "highest CIDEr-D": lambda results: max(results, key=lambda result: result.mean),
    "lowest dev loss": lambda results: min(results, key=lambda result: result.loss),
    "last epoch": lambda results: results[-1],
    "within a standard error, less loss": select,
}


def main() -> None:
    command, *arguments = sys.argv[1:]
    if command == "record":
        record(Path(arguments[0]), arguments[arguments.index("--") + 1 :])
    else:
        compare([Path(argument) for argument in arguments])


def record(path: Path, arguments: list[str]) -> None:
    """Trains, and writes a list of `{"epoch", "loss", "cider": [of each photo]}`."""
    from captioner.__main__ import run
    from captioner.training.checkpoint import Progress

    results, add = [], Progress.add

    def add_and_keep(progress, row, result, averages, captions):
        add(progress, row, result, averages, captions)
        results.append({"epoch": result.epoch, "loss": result.loss, "cider": [round(each, 5) for each in result.cider]})
        path.write_text(json.dumps(results))

    Progress.add = add_and_keep
    sys.argv = ["captioner", "train", *arguments]
    run()


def compare(paths: list[Path]) -> None:
    print("| run | " + " | ".join(RULES) + " |")
    print("|---|" + "---|" * len(RULES))
    means = []
    for path in paths:
        results = [DevResult(**entry) for entry in json.loads(path.read_text())]
        means.append([100 * held_out_score(results, choose) for choose in RULES.values()])
        print(f"| {path.stem} | " + " | ".join(f"{mean:.2f}" for mean in means[-1]) + " |")
    print("| mean | " + " | ".join(f"{mean:.2f}" for mean in np.mean(means, axis=0)) + " |")


def held_out_score(results: list[DevResult], choose) -> float:
    """CIDEr-D, a fraction, of the epochs that halves of the photos choose, on the other halves."""
    generator = np.random.default_rng(0)
    cider = np.array([result.cider for result in results])  # (epochs, photos)
    scores = []
    for _ in range(NUM_HALVES):
        order = generator.permutation(cider.shape[1])
        choosing, judging = np.array_split(order, 2)
        chosen = choose(
            [DevResult(index, tuple(cider[index, choosing]), result.loss) for index, result in enumerate(results)]
        )
        scores.append(cider[chosen.epoch, judging].mean())
    return float(np.mean(scores))


if __name__ == "__main__":
    main()
