"""The command line: one module per command; each parses, calls and prints, and imports when it is called."""

import os
import sys
from importlib import import_module

import click

from captioner import __version__
from captioner.cli.settings import read_settings, settings_path, with_variables
from captioner.errors import CaptionerError
from captioner.escaping import visible, visible_line

COMMANDS = (
    *("caption", "watch", "serve", "explain"),
    *("prepare", "train", "compare", "evaluate", "score"),
    *("models", "export", "completion"),
)

INTERRUPTED = 130
_ASKS_HELP = "captioner.asks_help"


class _Commands(click.Group):
    """Commands that are imported when asked for; they return their exit code, and their errors are one plain line."""

    def list_commands(self, ctx):
        return list(COMMANDS)

    def get_command(self, ctx, name):
        return with_variables(getattr(import_module(f"captioner.cli.{name}"), name)) if name in COMMANDS else None

    def resolve_command(self, ctx, args):
        ctx.meta[_ASKS_HELP] = bool({"-h", "--help"} & set(args))
        return super().resolve_command(ctx, args)

    def main(self, *args, standalone_mode=True, **kwargs):
        if not standalone_mode:
            return super().main(*args, standalone_mode=False, **kwargs)
        sys.exit(self._exit_code(*args, **kwargs))

    def _exit_code(self, *args, **kwargs) -> int:
        for name in ("stdout", "stderr"):  # which a daemon may have closed
            if getattr(sys, name) is None:
                setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        for stream in (sys.stdout, sys.stderr):  # a file name need not be valid text
            stream.reconfigure(errors="surrogateescape" if stream.encoding == "utf-8" else "backslashreplace")
        try:
            code = super().main(*args, standalone_mode=False, **kwargs) or 0
            sys.stdout.flush()  # a full disk is met here, not after all is said
            return code
        except CaptionerError as error:
            click.echo(f"Error: {visible_line(str(error))}", err=True)
            return error.exit_code
        except click.ClickException as error:
            error.message = visible(error.message)
            error.show()
            return error.exit_code
        except (click.Abort, KeyboardInterrupt):
            click.echo("interrupted", err=True)
            return INTERRUPTED
        except BrokenPipeError:  # whoever read the output has gone, as with `| head`
            _let_go_of_stdout()
            return 1
        except OSError as error:  # what a command writes to its files it guards itself: this is its output
            _let_go_of_stdout()
            click.echo(f"Error: the output cannot be written ({error.strerror or error})", err=True)
            return 1


def _let_go_of_stdout() -> None:
    """What is still buffered goes nowhere, so that the interpreter does not stumble over it when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="captioner")
@click.pass_context
def main(ctx):
    """Caption photos, and train captioners of your own.

    Options may stand in captioner.toml, a table a command, and in variables such as CAPTIONER_CAPTION_BEAM_SIZE.

    Example: captioner caption photo.jpg
    """
    if ctx.invoked_subcommand != "completion" and (path := settings_path()) is not None:
        command, *commands = (main.get_command(ctx, name) for name in (ctx.invoked_subcommand, *COMMANDS))
        try:
            settings = read_settings(path, command, commands)
        except CaptionerError:
            if not ctx.meta[_ASKS_HELP]:  # whoever asks for help shall have it, whatever the file says
                raise
            settings = {}
        ctx.default_map = {command.name: settings}
        if settings:
            click.echo(visible_line(f"options of {path}: {', '.join(settings)}"), err=True)
