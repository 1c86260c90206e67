"""Run ``docs/examples/django_social`` for a test: ``python project.py LOG SETTINGS``.

The program prints its URL, serves until its standard input ends, and logs at DEBUG into the file
LOG. SETTINGS is JSON and overrides the project's own settings. The program adds two users, and a
view that answers with the signed-in user's access token or with an error.
"""

import json
import logging
import os
import socketserver
import sys
import threading
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

PROJECT = Path(__file__).parents[2] / "docs/examples/django_social"


class Server(socketserver.ThreadingMixIn, WSGIServer):
    """A server with a thread for each request."""

    daemon_threads = False


class Handler(WSGIRequestHandler):
    """Logs the method and path of each request into LOG, in place of a line on standard error."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
        """Log method and path, whatever the message. The query is left out: it can hold a code."""
        logging.getLogger("wsgi").debug("%s %s", self.command, self.path.partition("?")[0])


def main(log: str, overrides: str) -> None:
    """Serve the project until standard input ends."""
    logging.basicConfig(filename=log, level=logging.DEBUG)
    sys.path.insert(0, str(PROJECT))
    os.environ["DJANGO_SETTINGS_MODULE"] = "settings"

    from django.conf import settings

    vars(settings).update(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"])
    for name, value in json.loads(overrides).items():
        setattr(settings, name, value)

    import django

    django.setup()

    from django.contrib.auth.decorators import login_required
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpRequest, JsonResponse
    from django.urls import path
    from social_core.exceptions import SocialAuthBaseException
    from social_django.utils import load_strategy
    from urls import urlpatterns

    call_command("migrate", run_syncdb=True, verbosity=0)
    for username in ("alice", "bob"):
        User.objects.create_user(username, password="password")

    @login_required
    def token(request: HttpRequest) -> JsonResponse:
        [social] = request.user.social_auth.all()
        try:
            return JsonResponse({"token": social.get_access_token(load_strategy(request))})
        except SocialAuthBaseException as error:
            return JsonResponse(error.public_metadata())

    urlpatterns.append(path("token", token))
    with make_server("127.0.0.1", 0, get_wsgi_application(), Server, Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
        sys.stdout.flush()
        sys.stdin.read()
        server.shutdown()
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
