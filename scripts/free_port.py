"""Refuses a port that is taken, before ``make ui`` starts: ``.venv/bin/python scripts/free_port.py 3000``."""

from __future__ import annotations

import os
import socket
import sys


def main(port: int) -> int:
    """0 if a web server could listen there, else 2 and one line on stderr."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        why = os.strerror(error.errno or 0)
        print(
            f"make ui: port {port} cannot be used ({why}); perhaps another Dagster runs there.\n"
            f"Choose another: make ui UI_PORT={port + 1}\n"
            f"and in the terminals of the commands: export SAM2_ASSETS_UI=http://127.0.0.1:{port + 1}",
            file=sys.stderr,
        )
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
