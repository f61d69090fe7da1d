"""Writes the shipped programs anew: ``python -m diracgan.web.ship``."""

from __future__ import annotations

import json

from ..files import write_text
from ..variants import parse, variants
from .bundle import generated
from .shipped import PROGRAMS, digest


def main() -> None:
    """Write the programs anew, in ten seconds."""
    made = {"sources": digest(), **generated(parse(name) for name in variants())}
    write_text(str(PROGRAMS), json.dumps(made, ensure_ascii=False, indent=0) + "\n")


if __name__ == "__main__":
    main()
