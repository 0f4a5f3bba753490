"""``pancreasgen protocols``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pancreasgen.dataset.protocol_file import Sourced


@click.command()
@click.argument("protocol", metavar="[NAME|FILE]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(protocol: str | None, as_json: bool) -> int:
    """List protocols of the scanner; or check one, of the catalogue or a file, and show its numbers with sources."""
    from pancreasgen.catalogue import entries
    from pancreasgen.dataset.protocol_file import find_protocol

    if protocol is not None:
        found = find_protocol(protocol)
        click.echo(json.dumps(_facts(found), indent=1, ensure_ascii=False) if as_json else _shown(found))
        return 0
    everything = [find_protocol(name) for name in entries("protocol")]
    if as_json:
        click.echo(json.dumps([_facts(item) for item in everything], indent=1, ensure_ascii=False))
        return 0
    width = max(len(item.protocol.name) for item in everything)
    click.echo(f"{'':{width}}    kV  mAs  CTDIvol  slices mm  kernel    sourced  assumed")
    for item in everything:
        p, worth = item.protocol, item.worth()
        slices = f"{p.slice_thickness_mm:g}/{p.slice_increment_mm:g}"
        click.echo(
            f"{p.name:{width}}  {p.kvp:4g} {p.mas:4g}  {p.ctdi_vol_mgy():4.1f} mGy  {slices:>9}  {p.kernel:8}  "
            f"{worth['sourced']:7}  {worth['assumed']:7}  {item.title}"
        )
    click.echo("\nslices: thickness/increment; CTDIvol: estimate for the 32 cm phantom, good to about 20 %")
    return 0


def _shown(found: Sourced) -> str:
    """Return a protocol as text: a line a number."""
    rows, worth = found.rows(), found.worth()
    values = [f"{_value(value)} {unit}".rstrip() for _, value, unit, _ in rows]
    width, wide = max(len(row[0]) for row in rows), max(len(value) for value in values)
    head = [
        f"{found.protocol.name}: {found.title}",
        f"{worth['sourced']} numbers with a source, {worth['assumed']} assumed or not stated; CTDIvol about "
        f"{found.protocol.ctdi_vol_mgy():.1f} mGy (estimate)",
    ]
    lines = [f"  {row[0]:{width}}  {value:{wide}}  [{row[3]}]" for row, value in zip(rows, values, strict=True)]
    return "\n".join(head + lines)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _facts(found: Sourced) -> dict[str, Any]:
    settings = {name: {"value": value, "unit": unit, "source": source} for name, value, unit, source in found.rows()}
    head = {"name": found.protocol.name, "title": found.title, **found.worth()}
    return head | {"ctdi_vol_mgy": round(found.protocol.ctdi_vol_mgy(), 2), "settings": settings}
