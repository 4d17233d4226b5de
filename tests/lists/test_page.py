"""One page of a list, where nothing on it tells where it stands."""

import pytest
from attrs import frozen

from bitminter_async._lists.page import read_page_at
from bitminter_async.errors import DecodeError, Fault


@frozen
class Row:
    """A record."""

    id: int


@pytest.mark.parametrize("left", [0, 1])
async def test_a_page_that_has_gone_meanwhile_is_what_it_was(left: int) -> None:
    """Where no id can be read, the page is asked for with records above; if it has gone by then, the error stands."""
    asked: list[tuple[int, int]] = []
    error = DecodeError(
        "https://pool.example/", [Fault("$[0].id", "an integer from 0 up", "null")], body="", unreadable={0: None}
    )

    async def fetch(most: int, offset: int) -> tuple[Row, ...]:
        asked.append((most, offset))
        if len(asked) == 1:
            raise error
        return tuple(Row(number) for number in range(20, 20 - left, -1))

    with pytest.raises(DecodeError) as caught:
        await read_page_at(fetch, 50, 5)
    assert caught.value is error
    assert asked == [(50, 5), (6, 0)]
