"""Settings of a project whose suite tests with Samlepost: `from inbox.testing.settings import *`.

SQLite and folders that go with the machine's temporary files; nothing here is for production.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from django.conf.locale import LANG_INFO

import inbox.web

DATA_DIR = Path(tempfile.mkdtemp(prefix="samlepost-tests-"))
os.environ.setdefault("CLOCK_FILE", str(DATA_DIR / "clock.json"))
# The sync interface of Playwright keeps an event loop in the thread.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
try:
    VERSION = version("samlepost")
except PackageNotFoundError:
    VERSION = "0"

DEMO = True
DEBUG = False
SECRET_KEY = secrets.token_urlsafe(50)
IDENTITY_KEY = secrets.token_hex(32)
DEMO_TOKEN = ""
ALLOWED_HOSTS = ["*"]
WEB_PUBLIC_URL = "http://127.0.0.1:8000"
SIMULATORS_URL = SIMULATORS_PUBLIC_URL = "http://127.0.0.1:8010"
FEEDS_ON_LOOPBACK = True

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "csp",
    "inbox.citizens",
    "inbox.archive",
    "inbox.letters",
    "inbox.notifications",
    "inbox.sync",
    "inbox.agencies",
    "inbox.web",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "inbox.web.sessions.session_limits",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "inbox.testing.urls"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "APP_DIRS": True,
        "OPTIONS": {
            "environment": "inbox.web.templating.environment",
            "context_processors": [
                "django.contrib.messages.context_processors.messages",
                "inbox.web.context.page",
            ],
        },
    }
]
DATABASES: dict[str, Any] = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(DATA_DIR / "samlepost.sqlite3"),
        "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
SESSION_ENGINE = "django.contrib.sessions.backends.file"
SESSION_FILE_PATH = str(DATA_DIR)
SESSION_COOKIE_NAME = "samlepost_session"
SESSION_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = False
LANGUAGE_COOKIE_HTTPONLY = True
SESSION_IDLE_SECONDS = 30 * 60
SESSION_ABSOLUTE_SECONDS = 120 * 60
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
PANEL_SITES: dict[str, Any] = {}
CONTACT_EMAIL = "hjelp@samlepost.example"

AUTH_USER_MODEL = "citizens.Citizen"
AUTHENTICATION_BACKENDS = ["inbox.citizens.oidc.IdportenBackend"]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "inbox"
LOGOUT_REDIRECT_URL = "logged_out"
CSRF_FAILURE_VIEW = "inbox.web.views.errors.csrf_failure"
OIDC_ISSUER = f"{SIMULATORS_URL}/idporten"
OIDC_RP_CLIENT_ID = "samlepost"
OIDC_RP_CLIENT_SECRET = "samlepost-demo-secret"
OIDC_OP_AUTHORIZATION_ENDPOINT = f"{OIDC_ISSUER}/authorize"
OIDC_OP_TOKEN_ENDPOINT = f"{OIDC_ISSUER}/token"
OIDC_OP_USER_ENDPOINT = f"{OIDC_ISSUER}/userinfo"
OIDC_OP_JWKS_ENDPOINT = f"{OIDC_ISSUER}/jwks"
OIDC_OP_LOGOUT_ENDPOINT = f"{OIDC_ISSUER}/endsession"
OIDC_RP_SIGN_ALGO = "RS256"
OIDC_RP_SCOPES = "openid profile"
OIDC_AUTHENTICATION_CALLBACK_URL = "login_callback"
OIDC_TIMEOUT = 10

KRR_URL = KRR_MASKINPORTEN_URL = KRR_CLIENT_ID = KRR_PRIVATE_KEY_FILE = ""
KRR_CHANGE_URL = "https://www.norge.no/"
KRR_INTERVAL_SECONDS = 24 * 3600
ARCHIVE_DIR = DATA_DIR / "archive"
EXPORT_DIR = DATA_DIR / "exports"
IMPORT_DIR = DATA_DIR / "imports"
IMPORT_ZIP_MAX_BYTES = 100_000_000
IMPORT_FILES_MAX = 20_000
ARCHIVE_PROOF = "off"
VERAPDF_BIN = ""
ARCHIVE_LOG_ORIGIN = "samlepost.example/archive"
ARCHIVE_LOG_KEY_FILE = str(DATA_DIR / "archive-log.pem")
ARCHIVE_WITNESS_URL = ARCHIVE_WITNESS_KEY = ""
ARCHIVE_TSA_URL = ARCHIVE_TSA_CERTIFICATES_FILE = ""
ARCHIVE_ROOT_KEY = secrets.token_hex(32)
ARCHIVE_ROOT_KEYS_OLD: list[str] = []
ARCHIVE_ROOT_KEYS_CLASS = "inbox.archive.keys.SettingsRootKeys"
ARCHIVE_S3 = ARCHIVE_COPY_S3 = None
ARCHIVE_COPY_DIR = ""
ARCHIVE_CHECK_DAYS = 90
DOCS_DIR = None
SYNC_INTERVAL_SECONDS = 300
SYNC_SOURCE_PER_MINUTE = 600
SYNC_SOURCE_BUSY_MAX = 1000
SYNC_PING_FLOOR_SECONDS = 10
SYNC_LEASE_SECONDS = 30
SYNC_BACKOFF_MAX_SECONDS = 900
PARTIES_INTERVAL_SECONDS = 24 * 3600
REJECTION_HOLD_SECONDS = 4 * 3600
KEEPING_ASSUMED_DAYS = 365
OUTGOING_ROWS_MAX = 10_000
OUTGOING_PDF_MAX_BYTES = 10_000_000
OUTGOING_ZIP_MAX_BYTES = 100_000_000
OWN_FILES_MAX = 30
OWN_FILE_MAX_BYTES = 25_000_000
OWN_FILES_MAX_BYTES = 100_000_000
OWN_TOTAL_MAX_BYTES = 5_000_000_000
WEBHOOKS_AT_ONCE = 4
CELERY_TASK_ALWAYS_EAGER = False
CELERY_BROKER_URL = "memory://"

LANGUAGE_CODE = "nb"
LANG_INFO["se"] = {
    "bidi": False,
    "code": "se",
    "name": "Northern Sami",
    "name_local": "davvisámegiella",
}
LANGUAGES = [
    ("nb", "Norwegian Bokmål"),
    ("nn", "Norwegian Nynorsk"),
    ("se", "Northern Sami"),
    ("en", "English"),
]
LOCALE_PATHS = [Path(inbox.web.__path__[0]) / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "Europe/Oslo"
STATIC_URL = "/static/"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
