"""`kaipiao serve` above the layer: python -m kaipiao_lab.powercut.serve JOURNAL careful|careless serve -d DIRECTORY …

careless: the ledger's writer runs with `synchronous = OFF`. Only to show that the power cut can be seen.
"""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

from kaipiao.cli.main import main
from kaipiao.ledger.sqlite import files
from kaipiao_lab.powercut.layer import install


def _without_care() -> None:
    careful = files.connect_writer

    def connect_writer(file: Path) -> sqlite3.Connection:
        connection = careful(file)
        connection.execute("PRAGMA synchronous = OFF")
        return connection

    vars(files)["connect_writer"] = connect_writer


if __name__ == "__main__":
    journal, care, *arguments = sys.argv[1:]
    install(Path(journal))
    if care == "careless":
        _without_care()
    sys.argv = ["kaipiao", *arguments]
    main()
