"""`client.users`: user data, for which the API wants a key."""

from urllib.parse import quote

from .._arguments import check_user_name
from .._call import Call, Caller, Expected
from ..records import User

__all__ = ["Users"]


class Users:
    """User data; needs an API key with access to "Balance and worker summary"."""

    def __init__(self, session: Caller) -> None:
        self._session = session

    async def get(
        self, name: str | None = None, *, max_age: float | None = None, max_wait: float | None = None
    ) -> User:
        """Return the user `name`, or the key's owner: `/api/users/USERNAME`, `/api/users`.

        Without a key the call is sent without one, and the pool says what it thinks of it.

        Args:
            name: The user's name; None: the key's owner.
            max_age: Seconds that the answer may be old; 0 asks the pool anew, None means the client's own.
            max_wait: Seconds that the call may wait for its turn; None means the client's own, `math.inf` as long as it
                takes.

        Raises:
            Unauthorized: The key is missing or wrong.
            Forbidden: The key lacks the permission.
            NotFound: There is no such user.
            QueueTimeout: Its turn is further away than `max_wait`; nothing was sent.
            KeyRefused: The key would travel in the clear, or to a host that nobody chose; nothing was sent.
            DecodeError: The answer is not what the API documents, or another user's: case and Unicode normal form
                apart, the name in it is the one asked for.
            BitminterError: Anything else that went wrong on the way.
            ValueError: The name is empty, `.` or `..`, which no URL can carry.
            TypeError: The name is not a string.
        """
        check_user_name(name)
        path = "users" if name is None else f"users/{quote(name, safe='')}"
        return await self._session.get(Call(path, User, keyed=True, expected=Expected(user=name)), max_age, max_wait)
