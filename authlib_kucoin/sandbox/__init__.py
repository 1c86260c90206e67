"""A strict stand-in for KuCoin's Broker Fast API, to develop and test against.

KuCoin offers no test system for the Fast API. The sandbox is an HTTP server on a loopback address,
unless the option `host` names another address. It checks the broker's requests, and compares
redirect URLs byte for byte. Tokens expire by a clock that tests can wind forward. A REST call that
needs a key needs a valid signature. A test can ask for a fault, which spoils the answer to a call.

Examples:
    >>> with run_sandbox() as sandbox:
    ...     sandbox.client_id
    'sandbox-client'
"""

from ._callback import Callback
from ._fault_queue import OPERATIONS, WaitingFault
from ._faults import FAULT_FORMS, PLAIN_FAULTS, Fault
from ._http import Headers
from ._journal import RecordedRequest
from ._keywords import CallbackMode, ListStyle, SandboxKeywords
from ._model import Account, IssuedKey
from ._options import SandboxOptions
from ._refusal import RecordedRefusal
from ._sandbox import Sandbox, run_sandbox
from ._scenarios import SCENARIOS, Scenario

__all__ = [
    "FAULT_FORMS",
    "OPERATIONS",
    "PLAIN_FAULTS",
    "SCENARIOS",
    "Account",
    "Callback",
    "CallbackMode",
    "Fault",
    "Headers",
    "IssuedKey",
    "ListStyle",
    "RecordedRefusal",
    "RecordedRequest",
    "Sandbox",
    "SandboxKeywords",
    "SandboxOptions",
    "Scenario",
    "WaitingFault",
    "run_sandbox",
]
