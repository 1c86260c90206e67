"""How long everything may take, in seconds. Each limit follows from the ones above it."""

from __future__ import annotations

from typing import Final

#: The longest login at KuCoin, from Connect to the callback.
LOGIN_SECONDS: Final = 15 * 60

#: The longest call to KuCoin.
CALL_SECONDS: Final = 20

#: Waiting for a row's lock: its holder may be refreshing a token, which is one call.
LOCK_SECONDS: Final = CALL_SECONDS + 5
#: One SQL statement, with the wait for a lock in it.
STATEMENT_SECONDS: Final = LOCK_SECONDS + 5
#: A transaction that sends no statement; it may be refreshing a token.
IDLE_SECONDS: Final = CALL_SECONDS + 10
#: Connecting to the database host, and how long that host may leave packets unacknowledged.
CONNECT_SECONDS: Final = 5
SILENCE_SECONDS: Final = 15

#: A step of an attempt is one call and one commit. A worker that needs longer must have died.
WORKER_SECONDS: Final = CALL_SECONDS + STATEMENT_SECONDS + 10
#: The longest request, the callback: exchange the code, create the key, check the key.
REQUEST_SECONDS: Final = 3 * WORKER_SECONDS
