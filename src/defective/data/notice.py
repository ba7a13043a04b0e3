"""Warnings about data, each logged once."""

import logging
from functools import lru_cache


@lru_cache(1 << 10)
def notice(message: str) -> None:
    """Log a warning the first time it occurs in this process."""
    logging.getLogger("defective").warning("%s", message)
