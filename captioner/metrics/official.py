"""METEOR and SPICE by the official Java programs that pycocoevalcap carries; nothing else here starts Java.

Both know English alone, and are given the tokens that the other scores count.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from captioner.errors import CaptionerError
from captioner.metrics.tally import Part

_SPICE_NEEDS = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")

# METEOR 1.5 for English, tuned to rank systems (Denkowski and Lavie 2014, table 3).
_ALPHA, _BETA, _GAMMA, _DELTA = 0.85, 0.20, 0.60, 0.75
_MATCHER_WEIGHTS = np.array([1.0, 0.6, 0.8, 0.6])  # exact, stem, synonym, paraphrase
_METEOR_COLUMNS = 23
_LENGTHS, _CHUNKS, _MATCHED = slice(0, 2), 20, slice(21, 23)


def meteor_part(captions: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]) -> Part:
    """METEOR (Denkowski and Lavie 2014): the counts by its Java program, which finds synonyms and paraphrases.

    Raises: CaptionerError when the package or Java is not there, or the program fails.
    """
    check_official("meteor")
    lines = [
        " ||| ".join(["SCORE", *map(" ".join, photo_references), " ".join(caption)])
        for caption, photo_references in zip(captions, references, strict=True)
    ]
    command = ["-Xmx2G", "-jar", "meteor-1.5.jar", "-", "-", "-stdio", "-l", "en", "-norm"]
    out = _run_java("METEOR", command, _package_dir() / "meteor", "\n".join(lines) + "\n")
    try:
        statistics = np.array([line.split() for line in out.splitlines()], dtype=float)
        statistics = statistics.reshape(len(captions), _METEOR_COLUMNS)
    except ValueError as error:
        raise CaptionerError(f"METEOR gave no counts but: {out.strip()[:200]}") from error
    is_whole = np.all(statistics[:, _MATCHED] == statistics[:, _LENGTHS], axis=1) & (statistics[:, _CHUNKS] == 1)
    statistics[is_whole, _CHUNKS] = 0  # word for word a reference: the program forgives the one chunk
    return Part(("meteor",), statistics, _meteor_of_sums)


def spice_part(captions: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]) -> Part:
    """SPICE (Anderson et al. 2016): the mean over photos of F scores of scene graphs.

    Raises: CaptionerError when the package, its files or Java are not there, or the program fails.
    """
    check_official("spice")
    photos = [
        {"image_id": number, "test": " ".join(caption), "refs": [" ".join(tokens) for tokens in photo_references]}
        for number, (caption, photo_references) in enumerate(zip(captions, references, strict=True))
    ]
    with tempfile.TemporaryDirectory() as folder:  # the package's own wrapper writes into the package
        captions_path, scores_path = Path(folder, "captions.json"), Path(folder, "scores.json")
        captions_path.write_text(json.dumps(photos), encoding="utf-8")
        command = ["-Xmx8G", "-jar", "spice-1.0.jar", str(captions_path), "-out", str(scores_path), "-silent"]
        _run_java("SPICE", command, _package_dir() / "spice", "")
        try:
            found = {row["image_id"]: row["scores"]["All"]["f"] for row in json.loads(scores_path.read_text("utf-8"))}
            values = [float(found[number]) for number in range(len(photos))]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CaptionerError(f"SPICE gave no scores ({error})") from error
    return Part.of_means("spice", values)


OFFICIAL_SCORES: dict[str, Callable[..., Part]] = {"meteor": meteor_part, "spice": spice_part}


def check_official(name: str) -> None:
    """Raises: CaptionerError naming what an official score needs and is not there."""
    title = name.upper()
    package_dir = _package_dir()
    if package_dir is None:
        raise CaptionerError(f"{title} needs the package pycocoevalcap: pip install 'captioner[coco]'")
    if shutil.which("java") is None:
        raise CaptionerError(f"{title} needs Java, and no program `java` is on the PATH")
    missing = [file for file in _SPICE_NEEDS if name == "spice" and not (package_dir / "spice" / "lib" / file).exists()]
    if missing:
        raise CaptionerError(
            f"SPICE needs {' and '.join(missing)} in {package_dir / 'spice' / 'lib'};"
            " `python -m pycocoevalcap.spice.get_stanford_models` downloads them"
        )


def _package_dir() -> Path | None:
    """Where pycocoevalcap is; found, not imported, for only its Java programs are wanted."""
    spec = find_spec("pycocoevalcap")
    return None if spec is None else Path(next(iter(spec.submodule_search_locations)))


def _run_java(title: str, arguments: list[str], folder: Path, text: str) -> str:
    """What the program writes. Raises: CaptionerError when it fails."""
    command = ["java", "-Dfile.encoding=UTF-8", *arguments]
    try:
        done = subprocess.run(
            command, cwd=folder, input=text.encode(errors="replace"), capture_output=True, check=False
        )
    except OSError as error:
        raise CaptionerError(f"{title} cannot start Java ({error.strerror or error})") from error
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["it says nothing"]
        raise CaptionerError(f"{title} failed with exit code {done.returncode}: {last[0]}")
    return done.stdout.decode(errors="replace")


def _meteor_of_sums(sums: np.ndarray) -> np.ndarray:
    """METEOR of summed counts: (..., 23) to (..., 1), a fraction; 0 without a match.

    The counts, of caption and reference by turns: tokens, function words, and for each matcher content words
    and function words matched; then chunks, and words matched in the caption and in the reference.
    """
    lengths, function_words = sums[..., _LENGTHS], sums[..., 2:4]
    matches = sums[..., 4:20].reshape(*sums.shape[:-1], 4, 2, 2)  # (..., matchers, content or function, sides)
    matches = _DELTA * matches[..., 0, :] + (1 - _DELTA) * matches[..., 1, :]
    weighted_matches = (_MATCHER_WEIGHTS[:, None] * matches).sum(axis=-2)
    weighted_lengths = _DELTA * (lengths - function_words) + (1 - _DELTA) * function_words
    shares = np.divide(weighted_matches, weighted_lengths, out=np.zeros_like(lengths), where=weighted_lengths > 0)
    precision, recall = shares[..., 0], shares[..., 1]
    weighted = (1 - _ALPHA) * recall + _ALPHA * precision
    mean = np.divide(precision * recall, weighted, out=np.zeros_like(precision), where=weighted > 0)
    chunks, num_matched = sums[..., _CHUNKS], sums[..., _MATCHED].mean(axis=-1)
    fragmentation = np.divide(chunks, num_matched, out=np.zeros_like(chunks), where=num_matched > 0)
    return (mean * (1 - _GAMMA * fragmentation**_BETA))[..., None]
