"""What all tests of training share."""

import pytest

from captioner.training import loop


@pytest.fixture(scope="module", autouse=True)
def no_figures():
    """Learning curves are files without a picture: to draw them takes longer than an epoch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "draw_learning_curves", lambda history, best_epoch, path: path.touch())
        yield
