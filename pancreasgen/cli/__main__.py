"""``python -m pancreasgen.cli``."""

import sys

from pancreasgen.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
