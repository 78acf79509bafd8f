"""The README holds what it says."""

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from captioner import Captioner
from captioner.cli import main
from captioner.explaining import explain

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_caption_on_top_is_what_the_shipped_model_says():
    photo, caption = re.search(r"\$ captioner caption (\S+)\n\s+(.+)", README).groups()
    assert Captioner.load().caption(ROOT / photo).text == caption


def test_commands_and_options_of_the_examples_exist():
    for line in re.findall(r"^\s*(?:.*\| )?captioner (\w+)(.*)", README, re.MULTILINE):
        command, rest = line
        shown = CliRunner().invoke(main, [command, "--help"])
        assert shown.exit_code == 0, command
        for option in re.findall(r"\s(--?[a-z][a-z-]*)", rest.split("#")[0]):
            assert option in shown.output, f"{command} {option}"


def test_what_is_said_of_the_explained_picture_is_what_is_in_it():
    photo = ROOT / "data" / "photos" / "photographer.jpg"
    section = re.search(r"\n## See inside\n(.+?)\n## ", README, re.DOTALL).group(1)
    explanation = explain(Captioner.load("flickr8k"), photo)
    steps = {step.chosen.token: step for step in explanation.steps}
    for likelier, chosen in (("with", "in"), ("shirt", "jacket")):
        candidates = steps[chosen].runners_up[0], steps[chosen].chosen
        assert [candidate.token for candidate in candidates] == [likelier, chosen]
        percents = tuple(f"{candidate.probability:.0%}" for candidate in candidates)
        assert f"*{likelier}* ({percents[0]}) " in section and f"*{chosen}* ({percents[1]})" in section
    assert explanation.steps[explanation.forgets_most].read == "is"
    least = explanation.activation("forget_gate")[explanation.forgets_most].mean()
    assert f"most ({least:.2f} on average over the units) when it has read *is*" in section
    first = tuple(explanation.activation(gate)[0].mean() for gate in ("forget_gate", "input_gate"))
    assert "the forget gate is high ({:.2f}) and the input gate low ({:.2f})".format(*first) in section
    hidden_of_rnn = explain(Captioner.load("flickr8k-rnn"), photo).activation("hidden")
    parts = explanation.activation("memory"), explanation.activation("hidden"), hidden_of_rnn
    said = [float(number) for number in re.findall(r"by (0\.\d+)", section)]
    assert [step_to_step(states) for states in parts] == pytest.approx(said, abs=0.006)


def step_to_step(states):
    """The correlation over units between a step and the next, the mean of all steps. states: (steps, units)."""
    return float(np.mean([np.corrcoef(pair)[0, 1] for pair in pairwise(states)]))


def test_the_explained_picture_is_small_and_whole():
    with Image.open(ROOT / "data" / "explain.png") as image:
        assert image.size[0] == 1500
        image.load()
    assert (ROOT / "data" / "explain.png").stat().st_size < 600e3


def test_ci_runs_the_test_command_of_the_readme():
    command = re.search(r"<!-- test command -->\n```sh\n(.+)\n```", README).group(1)
    assert command.endswith("-m pytest") and "[test]" in command
    assert "<!-- test command -->" in (ROOT / ".ci" / "run").read_text()


def test_relative_links_lead_somewhere():
    for page in (ROOT / "README.md", ROOT / "data" / "README.md", ROOT / "data" / "photos" / "README.md"):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page}: {target}"
