"""The entry point: finds the verb, loads its module only then, and turns errors into letters and exit codes."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path

import click

from pancreasgen.base.errors import PancreasgenError

VERBS = {
    "generate": "Make a dataset: CT images with labels and ducts.",
    "grow": "Grow the ducts of one pancreas with a grammar.",
    "phantom": "Make the anatomy of one case as a label volume, without a scan.",
    "scan": "Scan a volume of HU or labels in the virtual CT.",
    "reconstruct": "Reconstruct a sinogram with another kernel, region, matrix or slices.",
    "vary": "Vary an image with its labels: turn, bend, blur, add noise …",
    "protocols": "List protocols of the scanner, or check and show one.",
    "grammar": "List, show, check, copy, derive and cite grammars.",
    "populations": "List populations, or check and show one.",
    "labels": "Write labels in other schemes, or masks of single structures.",
    "verify": "Check every file of a dataset.",
    "rebuild": "Build a case again from its case.json and compare.",
    "manifest": "Write the manifest of a dataset anew.",
    "cite": "Tell how to cite a dataset.",
}
"""Verb → its line in the help; the verb's module has the same name."""


class LazyGroup(click.Group):
    """A group that knows its verbs by name and imports a verb's module when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (the signature is click's)
        """Return the verbs in the order of the road."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002 (the same)
        """Return the command of a verb, or None."""
        if name not in VERBS:
            return None
        command: click.Command = import_module(f"pancreasgen.cli.{name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; the error for an unknown one names those that exist."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], VERBS, n=1)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            raise click.UsageError(f"there is no verb `{args[0]}`.{hint} Verbs: {', '.join(VERBS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 (the same)
        """Write the table of verbs without importing them."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


def show_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    """Print the version and end."""
    if value:
        from importlib.metadata import version

        click.echo(f"pancreasgen {version('pancreasgen')}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    subcommand_metavar="VERB …",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=show_version, help="Show the version."
)
@click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of errors.")
def root() -> None:
    """Grow synthetic pancreases with an L-system grammar and scan them in a virtual CT.

    Start with:  pancreasgen generate -n 2 --seed 1 -o demo
    """


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code: 0 done, 2 usage, 65 bad input, 130 Ctrl-C (see the documents).

    Args:
        arguments: Words after the program's name; None reads those of the process.
    """
    given = sys.argv[1:] if arguments is None else arguments
    debug, words = "--debug" in given, [word for word in given if word != "--debug"]  # wherever it stands
    try:
        result = root.main(args=words, prog_name="pancreasgen", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except PancreasgenError as error:
        if debug:
            raise
        click.echo(error.letter(), err=True)
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 2
    except click.ClickException as error:
        return _click_letter(error)
    except (KeyboardInterrupt, click.Abort):
        click.echo("stopped: complete cases are kept; the same command again goes on", err=True)
        return 130
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 (the reader left; be quiet)
        return 0
    except MemoryError:
        click.echo("error: memory ran out\n  = help: use fewer --workers, a smaller matrix, or --quick", err=True)
        return 74
    except OSError as error:  # where no room told what it was doing
        if debug:
            raise
        from pancreasgen.dataset.disk import explained

        letter = explained(error, Path("a file"), "reach")
        click.echo(letter.letter(), err=True)
        return letter.exit_code
    except Exception as error:
        if debug:
            raise
        click.echo(f"error: a bug in pancreasgen: {type(error).__name__}: {error}", err=True)
        click.echo("  = help: the same command with --debug shows where; please report it", err=True)
        return 70


def _click_letter(error: click.ClickException) -> int:
    """Print an error of click in the form of all others."""
    from pancreasgen.base.errors import printable

    click.echo(f"error: {printable(error.format_message())}", err=True)
    context = getattr(error, "ctx", None)
    if context is not None:
        click.echo(f"  = help: {context.command_path} --help shows what is possible", err=True)
    return error.exit_code
