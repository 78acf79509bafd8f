"""Where a run stands in its folder, asked without loading what trains it."""

from captioner.errors import CaptionerError, OptionsError
from captioner.model_folder import CONFIG, ENCODER_WEIGHTS, FILES, ModelFolder, is_model
from captioner.training.checkpoint import changed_options, check_checkpoint
from captioner.training.run import Run

LOG = "log.csv"
CURVES = "learning_curves.png"
SAMPLES = "samples.png"
LOCK = ".lock"  # claimed by the process that trains there, and gone when it ends
TUNED = "tuned"  # a folder of what the run has so far, while it has not ended
OUTPUTS = (LOG, CURVES, SAMPLES, *FILES, ENCODER_WEIGHTS, CONFIG)


def is_finished(run: Run) -> bool:
    """Whether the run's folder holds the model it ends in; False where it is to begin, or to go on.

    Raises: OptionsError when a run with other options is in the way, finished or not; ModelError when what is there
    cannot be read; CaptionerError when the folder holds something else.
    """
    folder = run.output_dir
    if run.checkpoint_path.exists():
        check_checkpoint(run.checkpoint_path, run.identity())
        return False
    if is_model(folder):
        identity = run.recorded_identity
        changed = changed_options(ModelFolder.open(folder).training.get("run", identity), identity)
        if changed:
            raise OptionsError(
                f"{folder}: holds a model finished with other options ({changed});"
                " --no-resume trains it anew, or give another folder"
            )
        return True
    check_nothing_else(run)
    return False


def check_nothing_else(run: Run) -> None:
    """Raises: CaptionerError when files that are of no run are where the run is to write its own."""
    if run.checkpoint_path.exists() or is_model(run.output_dir):
        return
    for name in OUTPUTS:
        if (run.output_dir / name).exists():
            raise CaptionerError(f"{run.output_dir / name} would be overwritten; give another folder")
