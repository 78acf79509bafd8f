"""An explanation as JSON: every number that the picture shows, and those it has no room for."""

import numpy as np

from captioner.explaining import CELLS, Beam, Candidate, Explanation, Step

_DIGITS = 7  # behind the point: what float32 tells of numbers between -1 and 1


def explanation_record(explanation: Explanation, file_name: str) -> dict:
    """What goes into JSON. Log-probabilities are natural logs; arrays are lists, their axes as in `Explanation`.

    `first_state` is what the cell starts from; of every step, `activations` are the parts of the cell after it has read
    `read`, the states among them being what the next step starts from.
    """
    options = explanation.options
    return {
        "file_name": file_name,
        "model": explanation.model,
        "text": explanation.caption,
        "log_prob": explanation.log_prob,
        "confidence": explanation.confidence,
        "decoder": explanation.decoder,
        "source": CELLS[explanation.decoder].source,
        "states": list(CELLS[explanation.decoder].states),
        "num_units": explanation.num_units,
        "num_heads": explanation.num_heads if explanation.attention is not None else 0,
        "search": options.to_json(),
        "forgets_most": explanation.forgets_most,
        "first_state": {name: _numbers(values) for name, values in explanation.first_state.items()},
        "steps": [_step_record(explanation, number, step) for number, step in enumerate(explanation.steps)],
        "beams": [_beam_record(beam) for beam in explanation.beams],
    }


def _step_record(explanation: Explanation, number: int, step: Step) -> dict:
    looked = {} if explanation.attention is None else {"attention": _numbers(explanation.attention[number])}
    return {
        "read": step.read,
        "chosen": _candidate_record(step.chosen),
        "runners_up": [_candidate_record(candidate) for candidate in step.runners_up],
        **looked,
        "activations": {name: _numbers(values[number]) for name, values in explanation.activations.items()},
    }


def _candidate_record(candidate: Candidate) -> dict:
    return {"token": candidate.token, "log_prob": candidate.log_prob, "probability": candidate.probability}


def _beam_record(beam: Beam) -> dict:
    return {"text": beam.text, "log_prob": beam.log_prob, "score": beam.score}


def _numbers(values: np.ndarray) -> list:
    return np.round(values.astype(np.float64), _DIGITS).tolist()
