"""What the tests of bad input share."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from defective import InputError


@contextmanager
def refused(match: str | None = None, *, says: str = "") -> Iterator[None]:
    """The block ends in an InputError of one line, which a pattern matches and in which some words stand."""
    with pytest.raises(InputError, match=match) as caught:
        yield
    assert says in str(caught.value) and "\n" not in str(caught.value)
