"""The program: `captioner`, or `python -m captioner`."""

import os
import sys


def run() -> None:
    """Runs the command line and ends the process at once.

    All that was to be written is written by then. What the interpreter would still do is to take apart, piece by piece,
    memory that goes with the process anyway: a tenth of the time that a caption takes.
    """
    try:
        from captioner.cli import main

        main(prog_name="captioner")
    except KeyboardInterrupt:  # so early that no command could say so
        os._exit(130)
    except SystemExit as end:
        if "tensorflow" not in sys.modules and isinstance(end.code, int):  # TensorFlow has threads to come home
            sys.stderr.flush()
            os._exit(end.code)
        raise


if __name__ == "__main__":
    run()
