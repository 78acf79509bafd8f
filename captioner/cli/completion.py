"""`captioner completion`"""

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell):
    """Print what makes a shell complete captioner's commands and options.

    Example: eval "$(captioner completion bash)", in ~/.bashrc; for fish: captioner completion fish | source
    """
    from click.shell_completion import get_completion_class

    from captioner.cli import main

    click.echo(get_completion_class(shell)(main, {}, "captioner", "_CAPTIONER_COMPLETE").source())
    return 0
