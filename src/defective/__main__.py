"""``python -m defective``."""

import sys

from defective.cli import main

sys.exit(main())
