"""The start page: what the sandbox is, what it has received, and buttons that control it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from . import _pages
from ._fault_queue import WaitingFault
from ._faults import Fault
from ._forms import Form, see
from ._http import Request, Response
from ._overview import values_of
from ._router import Router


class StartPage:
    """Shows the start page, and does what its forms ask for."""

    def __init__(self, kucoin: Router) -> None:
        """Show and control `kucoin`."""
        self._kucoin = kucoin

    def answer(self, request: Request, base: str) -> Response:
        """Return the page; after a form, redirect the browser to the form's section of the page.

        If the form is refused, return the page with the reason and status 400 instead.
        """
        if request.method == "GET":
            return self._page(base)
        try:
            form = Form(request)
            action = form.text("do")
            if action not in _ACTIONS:
                raise ValueError(f"do must be one of {', '.join(_ACTIONS)}")
            act, section = _ACTIONS[action]
            act(self, form)
        except ValueError as error:
            return self._page(base, str(error), 400)
        return see(f"/#{section}")

    def _page(self, base: str, problem: str | None = None, status: int = 200) -> Response:
        return _pages.own("start.html", values_of(self._kucoin, base, problem), status)

    def advance(self, form: Form) -> None:
        """Wind the clock forward."""
        self._kucoin.state.clock.advance(form.number("seconds"))

    def fail_next(self, form: Form) -> None:
        """Queue the fault that the user has typed."""
        fault = Fault.parse(form.text("fault"))
        self._kucoin.faults.add(WaitingFault(form.text("operation"), fault, form.whole("times")))

    def fail_so(self, form: Form) -> None:
        """Queue the fault of a button."""
        operation, _, fault = form.text("fault").partition(" ")
        self._kucoin.faults.add(WaitingFault(operation, Fault.parse(fault)))

    def drop_faults(self, _form: Form) -> None:
        """Forget the faults that are waiting."""
        self._kucoin.faults.clear()

    def set_scenario(self, form: Form) -> None:
        """Choose a scenario."""
        self._kucoin.state.set_scenario(form.text("scenario"))

    def delete_key(self, form: Form) -> None:
        """Delete a key, as its user can at KuCoin."""
        self._kucoin.state.delete_key(form.text("api_key"))

    def reset(self, _form: Form) -> None:
        """Do what `Sandbox.reset` does."""
        self._kucoin.reset()


#: For each value of the field "do": what the form does, and which section to show afterwards.
_ACTIONS: Final[dict[str, tuple[Callable[[StartPage, Form], None], str]]] = {
    "advance": (StartPage.advance, "clock"),
    "fail": (StartPage.fail_next, "faults"),
    "fail-so": (StartPage.fail_so, "faults"),
    "drop-faults": (StartPage.drop_faults, "faults"),
    "scenario": (StartPage.set_scenario, "scenarios"),
    "delete-key": (StartPage.delete_key, "accounts"),
    "reset": (StartPage.reset, "requests"),
}
