"""`python -m wordsight` is the program `wordsight`."""

import sys

from wordsight.cli.main import main

sys.exit(main())
