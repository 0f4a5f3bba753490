"""Draw every grammar that comes with the program, and write docs/gallery.md around the pictures."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image

from pancreasgen.cli.growing import Wish, checked_settings, content_of, grow_now
from pancreasgen.dataset.grammars import find_grammar, grammar_names
from pancreasgen.grammar.syntax import parse_grammar

ROOT = Path(__file__).resolve().parent.parent
PAGE, PICTURES = ROOT / "docs" / "gallery.md", ROOT / "docs" / "images" / "grammars"
HEAD = """# The grammars that come with pancreasgen

Each picture is what `pancreasgen grow NAME --seed {seed} -o NAME.png` draws. Yellow is the main duct, orange the
accessory duct, the other colours are the orders of branching. Read a grammar with `pancreasgen grammar show NAME`,
take it as a start with `pancreasgen grammar new mine.lsys --from NAME`, and see where its numbers come from with
`pancreasgen grammar cite NAME`.
The language is described in [grammar.md](grammar.md).

"""
WIDTH_PX, COLOURS, SEED = 720, 64, 1


def small(png: bytes) -> bytes:
    """Return a picture for the page: narrower, with few colours."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture = picture.resize((WIDTH_PX, round(picture.height * WIDTH_PX / picture.width)), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    picture.quantize(COLOURS).save(out, "PNG", optimize=True)
    return out.getvalue()


def main(names: list[str]) -> None:
    """Draw the named grammars, or all, and write the page anew."""
    parts = [HEAD.format(seed=SEED)]
    for name in sorted(grammar_names(), key=lambda name: ("/" in name, name)):
        picture = PICTURES / f"{name.replace('/', '_')}.png"
        if not names or name in names:
            wish = Wish(name, SEED, None, (), 0, None, 600.0)
            picture.parent.mkdir(parents=True, exist_ok=True)
            picture.write_bytes(small(content_of(".png", grow_now(checked_settings(wish), wish, True))))
            print(name, f"{picture.stat().st_size / 1000:.0f} kB")
        found = find_grammar(name)
        title = parse_grammar(found.text, id=name, file=found.file).title
        parts.append(f"## {name}\n\n{title}\n\n![{title}](images/grammars/{picture.name})\n\n")
    PAGE.write_text("".join(parts).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
