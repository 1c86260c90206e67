"""The time limits for logins, calls, the database and requests, in seconds.

Some of them are derived from limits further up in this module.
"""

from __future__ import annotations

from typing import Final

#: The longest login at KuCoin, from Connect to the callback.
LOGIN_SECONDS: Final = 15 * 60

#: The longest call to KuCoin.
CALL_SECONDS: Final = 20

#: The longest wait for a row's lock. A worker can hold the lock for one call: a token's refresh.
LOCK_SECONDS: Final = CALL_SECONDS + 5
#: The longest SQL statement in PostgreSQL, including its wait for a lock. In SQLite, the longest
#: wait for the lock.
STATEMENT_SECONDS: Final = LOCK_SECONDS + 5
#: The longest pause between two statements of a transaction: a token's refresh, and a margin.
IDLE_SECONDS: Final = CALL_SECONDS + 10
#: The longest wait for a new connection to the database.
CONNECT_SECONDS: Final = 5
#: How long the database's host may be silent: then a host that owes us an acknowledgement is given
#: up, and an idle connection is probed.
SILENCE_SECONDS: Final = 15

#: The longest step of an attempt: one call and one commit. After that the worker counts as dead.
WORKER_SECONDS: Final = CALL_SECONDS + STATEMENT_SECONDS + 10
#: The longest requests have three steps: exchange the code or refresh the token, create a key, and
#: check the key.
REQUEST_SECONDS: Final = 3 * WORKER_SECONDS
