"""What a reader of data says once, on the logger of the package."""

import logging
from functools import lru_cache


@lru_cache(1 << 10)
def notice(message: str) -> None:
    """Log a warning, the first time it comes up in this process."""
    logging.getLogger("defective").warning("%s", message)
