"""An authorization server: Django OAuth Toolkit, with SQLite and the login page of Django's administration.

    django_provider.py PORT FOLDER

Tokens are opaque, and whoever asks may register. `GET /counts` says how often each endpoint was used with which grant, and
`GET /life/SECONDS` sets how long the tokens live that are given from then on. FOLDER has the database.
"""

import json
import sys
import threading
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import django
from browser import NAME, PASSWORD
from django.conf import settings

PORT, FOLDER = int(sys.argv[1]), Path(sys.argv[2])

settings.configure(
    SECRET_KEY="of a test, with more than fifty characters, as is wanted",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "oauth2_provider",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": FOLDER / "provider.sqlite3",
            # Requests that come at once wait for each other.
            "OPTIONS": {"timeout": 30, "transaction_mode": "IMMEDIATE"},
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    # The hash of a password need not be slow here.
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    STATIC_URL="/static/",
    LOGIN_URL="/admin/login/",
    USE_TZ=True,
    OAUTH2_PROVIDER={
        "ACCESS_TOKEN_EXPIRE_SECONDS": 3600,
        "SCOPES": {"notes:read": "Read notes", "notes:write": "Write notes", "introspection": "Ask about tokens"},
        "DEFAULT_SCOPES": ["notes:read"],
        "DCR_ENABLED": True,
        "DCR_REGISTRATION_PERMISSION_CLASSES": ("oauth2_provider.dcr.AllowAllDCRPermission",),
        "REFRESH_TOKEN_REUSE_PROTECTION": True,
        # Else it would not see another life of tokens.
        "ALWAYS_RELOAD_OAUTHLIB_CORE": True,
        "OAUTH2_TOKEN_ENDPOINT_AUTH_METHODS_SUPPORTED": ["client_secret_post", "client_secret_basic", "none"],
    },
)
django.setup()

from django.contrib import admin  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.http import HttpRequest, JsonResponse  # noqa: E402
from django.urls import include, path  # noqa: E402
from oauth2_provider.models import Application  # noqa: E402
from oauth2_provider.settings import oauth2_settings  # noqa: E402
from oauth2_provider.urls import metadata_urlpatterns  # noqa: E402

COUNTS: dict[str, int] = {}
LOCK = threading.Lock()


def counts(_: HttpRequest) -> JsonResponse:
    return JsonResponse(COUNTS)


def life(_: HttpRequest, seconds: int) -> JsonResponse:
    oauth2_settings.ACCESS_TOKEN_EXPIRE_SECONDS = seconds
    return JsonResponse({})


urlpatterns = [
    path("counts", counts),
    path("life/<int:seconds>", life),
    path("admin/", admin.site.urls),
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    *metadata_urlpatterns,
]


class Counting(WSGIHandler):
    """Counts what is asked."""

    def get_response(self, request: HttpRequest) -> Any:
        grant = request.POST.get("grant_type") if request.path == "/o/token/" else None
        name = " ".join(filter(None, [request.method, request.path, grant]))
        with LOCK:
            COUNTS[name] = COUNTS.get(name, 0) + 1
        return super().get_response(request)


class Threads(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    if not User.objects.exists():
        User.objects.create_superuser(NAME, "", PASSWORD)
        # The client by which servers ask about tokens.
        Application(
            client_id="server",
            client_secret="secret-of-the-server",
            client_type="confidential",
            authorization_grant_type="client-credentials",
        ).save()
    server = Threads(("127.0.0.1", PORT), Quiet)
    server.set_app(Counting())
    server.serve_forever()
