"""Growing again whenever a grammar file is saved, until Ctrl-C."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from pancreasgen.cli.growing import Grown, Wish, checked_settings, content_of, grow_now

PERIOD_S = 0.2
_MOST_BYTES = 262_145  # one more than a grammar may have: longer files are refused, whatever stands behind
Sleep = Callable[[float], None]


def follow(file: Path, work: Callable[[], None], sleep: Sleep = time.sleep) -> None:
    """Do the work now and after every change of a file, until Ctrl-C; return then.

    A change counts once the file has stayed the same for one period, so that an editor that empties the file before
    it writes, or replaces it, is not met halfway.

    Args:
        file: The file. It may vanish and come back.
        work: What to do; it says itself what went wrong.
        sleep: Waits for some seconds.
    """
    try:
        done = fingerprint(file)
        work()
        last = done
        while True:
            sleep(PERIOD_S)
            now = fingerprint(file)
            if now == last and now != done:
                done = now
                work()
            last = now
    except KeyboardInterrupt:
        return


def fingerprint(file: Path) -> str:
    """Return a hash of a file's content, or an empty text while it cannot be read.

    >>> fingerprint(Path("no such file"))
    ''
    """
    try:
        with file.open("rb") as stream:
            return hashlib.sha256(stream.read(_MOST_BYTES)).hexdigest()
    except OSError:
        return ""


def watch_grammar(wish: Wish, out: Path, quiet: bool, sleep: Sleep = time.sleep) -> None:
    """Grow a grammar file into a picture or page at every save, until Ctrl-C.

    Args:
        wish: What to grow; its grammar must be a file.
        out: A PNG or HTML file.
        quiet: Print only errors.
        sleep: Waits for some seconds.

    Raises:
        PancreasgenError: If the wish names no file, or its other parts are wrong. A broken grammar only gets a letter.
    """
    from pancreasgen.base.errors import UsageError
    from pancreasgen.dataset.disk import check_output
    from pancreasgen.dataset.grammars import find_grammar, grammar_names

    if wish.grammar in grammar_names():
        hint = f"pancreasgen grammar new mine.lsys --from {wish.grammar} makes a file; watch mine.lsys then"
        raise UsageError(f"--watch follows a file, and `{wish.grammar}` is a grammar of the program", hint)
    find_grammar(wish.grammar)
    check_output(out, wish.grammar, wish.mask.path if wish.mask else None)
    if not quiet:
        click.echo(f"watching {wish.grammar}: every save grows {out} again; Ctrl-C ends")
    picture = _Picture(wish, out, quiet)
    follow(Path(wish.grammar), picture.renew, sleep)
    picture.settle()


@dataclass(slots=True)
class _Picture:
    """The file that people look at: the last good ducts, and what is wrong with the newest grammar."""

    wish: Wish
    out: Path
    quiet: bool
    last: Grown | None = None
    letter: str = ""
    started: bool = False

    def renew(self) -> None:
        """Grow again, or say why not."""
        from pancreasgen.base.errors import BadInputError, PancreasgenError

        try:
            grown = grow_now(checked_settings(self.wish), self.wish, self.quiet)
        except PancreasgenError as error:
            if not self.started and not isinstance(error, BadInputError):
                raise  # the command line is wrong, and saving the grammar would not mend that
            self.letter = error.letter()
            kept = f"{self.out} keeps the last good ducts" if self.last else "nothing has grown yet"
            click.echo(f"{self.letter}\n{kept}; mend the grammar and save it", err=True)
        else:
            self.last, self.letter = grown, ""
            if not self.quiet:
                click.echo(grown.summary)
        self.started = True
        self._write(reload=True)

    def settle(self) -> None:
        """Leave a page that loads itself no more, and say goodbye."""
        if self.started and self.out.suffix == ".html":
            self._write(reload=False)
        if not self.quiet:
            click.echo(f"stopped watching; open {self.out}" if self.last else "stopped watching")

    def _write(self, *, reload: bool) -> None:
        from pancreasgen.dataset.disk import write_output

        if self.out.suffix == ".html":
            from pancreasgen.look.grow_page import ducts_page

            last, title = self.last, Path(self.wish.grammar).stem
            network, free = (last.network, last.organ is None) if last else (None, False)
            title = last.title if last else title
            write_output(self.out, ducts_page(network, title, free=free, error=self.letter, reload=reload))
        elif self.last and not self.letter:
            write_output(self.out, content_of(self.out.suffix, self.last))
