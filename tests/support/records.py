"""A sample of every record, and records that are read from such samples."""

from typing import Any

import orjson

from bitminter_async._decode.decode import decode
from bitminter_async._wire.answer import Answer
from bitminter_async._wire.key import Mask
from bitminter_async.records import Block, ChainRound, PoolStats, Round, Shift, User, UserShift, Work, Worker
from tests.support.samples import BLOCK, CHAIN_ROUND, ROUND, SHIFT, STATS, USER, WORK, WORKER

SAMPLES: dict[Any, Any] = {
    PoolStats: STATS,
    ChainRound: CHAIN_ROUND,
    Round: ROUND,
    Block: BLOCK,
    Shift: SHIFT,
    UserShift: USER["shift"],
    Work: WORK,
    Worker: WORKER,
    User: USER,
}


def make_answer(body: bytes, mask: Mask | None = None) -> Answer:
    """A success with this body."""
    mask = mask or Mask(None)
    return Answer(200, "https://pool.example/api", keyed=False, for_user=False, headers={}, body=body, mask=mask)


def make_record(kind: type[Any], **changed: Any) -> Any:
    """A record decoded from its sample, with these fields changed on the wire."""
    body = orjson.dumps({**SAMPLES[kind], **changed})
    return decode(make_answer(body), kind)
