"""The one settings file. Every choice comes from the environment; `.env.example` explains each.

DEMO=1 alone permits the simulators: loopback sources, cookies over http and the pages under
/demo/. Without it a missing or unsafe setting stops the start.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from csp.constants import NONE, SELF
from django.conf.locale import LANG_INFO
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from config.env import (
    env_bool,
    env_bucket,
    env_hex,
    env_hexes,
    env_int,
    env_list,
    env_text,
    env_url,
    kept_secret,
)
from config.panel import read_panel_sites

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env_text("DATA_DIR", str(BASE_DIR / "data"))).resolve()
VERSION: str = tomllib.loads((BASE_DIR / "pyproject.toml").read_text("utf-8"))["project"]["version"]

DEMO = env_bool("DEMO")
DEBUG = False

SECRET_KEY = env_text("SECRET_KEY") or (
    kept_secret(DATA_DIR / "keys" / "secret-key") if DEMO else ""
)
if len(SECRET_KEY) < 50:
    raise ImproperlyConfigured("SECRET_KEY must be set to at least 50 random characters.")
IDENTITY_KEY = env_hex("IDENTITY_KEY", 32, DATA_DIR / "keys" / "identity-key" if DEMO else None)

# Addresses: as the browser sees us, and the simulators (demo) as servers and browsers see them.
WEB_PUBLIC_URL = env_url("WEB_PUBLIC_URL", "http://127.0.0.1:8000" if DEMO else "")
if not WEB_PUBLIC_URL:
    raise ImproperlyConfigured("WEB_PUBLIC_URL must be set to the address citizens use.")
if not DEMO and not WEB_PUBLIC_URL.startswith("https://"):
    raise ImproperlyConfigured("WEB_PUBLIC_URL must start with https:// unless DEMO=1.")
SIMULATORS_URL = env_url("SIMULATORS_URL", "http://127.0.0.1:8010" if DEMO else "")
SIMULATORS_PUBLIC_URL = env_url("SIMULATORS_PUBLIC_URL", SIMULATORS_URL)
if SIMULATORS_URL and not DEMO:
    raise ImproperlyConfigured("SIMULATORS_URL is set: simulators are allowed only with DEMO=1.")
# An agency that builds its own feed may serve it on this very machine; nothing else is let in.
FEEDS_ON_LOOPBACK = DEMO or env_bool("FEEDS_ON_LOOPBACK")
DEMO_TOKEN = env_text("DEMO_TOKEN", "samlepost-demo") if DEMO else ""
CLOCK_FILE = env_text("CLOCK_FILE", str(DATA_DIR / "clock.json") if DEMO else "")
if CLOCK_FILE and not DEMO:
    raise ImproperlyConfigured("CLOCK_FILE is set: the clock can be moved only with DEMO=1.")
if CLOCK_FILE:
    os.environ["CLOCK_FILE"] = CLOCK_FILE

ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", str(urlsplit(WEB_PUBLIC_URL).hostname))
if DEMO and "ALLOWED_HOSTS" not in os.environ:
    ALLOWED_HOSTS += ["127.0.0.1", "localhost", "[::1]"]

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
    "whitenoise.middleware.WhiteNoiseMiddleware",
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

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
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

DATABASE_URL = env_text(
    "DATABASE_URL", f"sqlite:///{DATA_DIR / 'samlepost.sqlite3'}" if DEMO else ""
)
if not DATABASE_URL:
    raise ImproperlyConfigured(
        "DATABASE_URL must be set, e.g. postgresql://user:password@host/name."
    )
try:
    DATABASES: dict[str, Any] = {"default": dict(dj_database_url.parse(DATABASE_URL))}
except (ValueError, KeyError) as error:
    raise ImproperlyConfigured(f"DATABASE_URL cannot be read: {error}") from error
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    Path(DATABASES["default"]["NAME"]).parent.mkdir(parents=True, exist_ok=True)
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        # What is deleted is overwritten: a letter that has gone cannot be read out of the file.
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=ON;"
        ),
    }
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
# A new connection a request costs as much as half a page; one thread a process holds one.
DATABASES["default"]["CONN_MAX_AGE"] = env_int("DATABASE_CONN_MAX_AGE", 600)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env_url("REDIS_URL", "", ("redis", "rediss", "unix"))
CACHES: dict[str, dict[str, Any]]
if REDIS_URL:
    CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
    }
    SESSION_ENGINE = "django.contrib.sessions.backends.cache"
else:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": str(DATA_DIR / "cache"),
            "OPTIONS": {"MAX_ENTRIES": 100_000},
        }
    }
    SESSION_ENGINE = "django.contrib.sessions.backends.file"
    SESSION_FILE_PATH = str(DATA_DIR / "sessions")
    Path(SESSION_FILE_PATH).mkdir(parents=True, exist_ok=True)

# Sites that may ask citizens to show the panel: "slug|address|organisation number|name", by comma.
_demo_pages = f"{SIMULATORS_PUBLIC_URL}/minside"
_panel_sites = env_list(
    "PANEL_SITES",
    f"nav|{_demo_pages}/nav/pages/|889640782|NAV,"
    f"oslo|{_demo_pages}/oslo/pages/|958935420|Oslo kommune,"
    f"lanekassen|{_demo_pages}/lanekassen/pages/|960885406|Lånekassen"
    if DEMO
    else "",
)
PANEL_SITES = read_panel_sites(_panel_sites, loopback=DEMO)

AUTH_USER_MODEL = "citizens.Citizen"
AUTHENTICATION_BACKENDS = ["inbox.citizens.oidc.IdportenBackend"]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "inbox"
LOGOUT_REDIRECT_URL = "logged_out"

# ID-porten asks again after 30 idle minutes and 120 in all (oidc_func_sso); so do we.
SESSION_IDLE_SECONDS = env_int("SESSION_IDLE_MINUTES", 30, minimum=1) * 60
SESSION_ABSOLUTE_SECONDS = env_int("SESSION_ABSOLUTE_MINUTES", 120, minimum=1) * 60
SESSION_COOKIE_AGE = SESSION_ABSOLUTE_SECONDS
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEMO
SESSION_COOKIE_NAME = "samlepost_session" if DEMO else "__Host-session"
CSRF_COOKIE_NAME = "samlepost_csrf" if DEMO else "__Host-csrf"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "inbox.web.views.errors.csrf_failure"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# OpenID Connect against ID-porten; addresses for servers and for browsers may differ.
OIDC_ISSUER = env_url("OIDC_ISSUER", f"{SIMULATORS_PUBLIC_URL}/idporten" if DEMO else "")
OIDC_SERVER_URL = env_url("OIDC_SERVER_URL", f"{SIMULATORS_URL}/idporten" if DEMO else OIDC_ISSUER)
if not OIDC_ISSUER:
    raise ImproperlyConfigured("OIDC_ISSUER must be set, e.g. https://idporten.no.")
OIDC_RP_CLIENT_ID = env_text("OIDC_CLIENT_ID", "samlepost" if DEMO else "")
OIDC_RP_CLIENT_SECRET = env_text("OIDC_CLIENT_SECRET", "samlepost-demo-secret" if DEMO else "")
if not (OIDC_RP_CLIENT_ID and OIDC_RP_CLIENT_SECRET):
    raise ImproperlyConfigured("OIDC_CLIENT_ID and OIDC_CLIENT_SECRET must be set.")
OIDC_OP_AUTHORIZATION_ENDPOINT = env_url("OIDC_AUTHORIZATION_URL", f"{OIDC_ISSUER}/authorize")
OIDC_OP_TOKEN_ENDPOINT = env_url("OIDC_TOKEN_URL", f"{OIDC_SERVER_URL}/token")
OIDC_OP_USER_ENDPOINT = env_url("OIDC_USERINFO_URL", f"{OIDC_SERVER_URL}/userinfo")
OIDC_OP_JWKS_ENDPOINT = env_url("OIDC_JWKS_URL", f"{OIDC_SERVER_URL}/jwks")
OIDC_OP_LOGOUT_ENDPOINT = env_url("OIDC_LOGOUT_URL", f"{OIDC_ISSUER}/endsession")
OIDC_RP_SIGN_ALGO = "RS256"
OIDC_RP_SCOPES = "openid profile"
OIDC_AUTHENTICATION_CALLBACK_URL = "login_callback"
OIDC_TIMEOUT = 10

# KRR, the contact and reservation register: off while KRR_URL is empty.
KRR_URL = env_url("KRR_URL", f"{SIMULATORS_URL}/krr" if DEMO else "")
KRR_MASKINPORTEN_URL = env_url(
    "KRR_MASKINPORTEN_URL", f"{SIMULATORS_URL}/maskinporten" if DEMO else ""
)
KRR_CLIENT_ID = env_text("KRR_CLIENT_ID", "samlepost" if DEMO else "")
_keys_dir = Path(env_text("KEYS_DIR", str(DATA_DIR / "keys")))
KRR_PRIVATE_KEY_FILE = env_text(
    "KRR_PRIVATE_KEY_FILE", str(_keys_dir / "maskinporten-client.pem") if DEMO else ""
)
for _name in ("KRR_URL", "KRR_MASKINPORTEN_URL"):
    if not DEMO and urlsplit(globals()[_name]).hostname in ("127.0.0.1", "::1", "localhost"):
        raise ImproperlyConfigured(f"{_name} is a simulator: that needs DEMO=1.")
for _name in ("KRR_MASKINPORTEN_URL", "KRR_CLIENT_ID", "KRR_PRIVATE_KEY_FILE"):
    if KRR_URL and not globals()[_name]:
        raise ImproperlyConfigured(f"{_name} must be set when KRR_URL is.")
# Where she changes her entry, and how often each citizen is asked about.
KRR_CHANGE_URL = env_url(
    "KRR_CHANGE_URL",
    f"{SIMULATORS_PUBLIC_URL}/#register"
    if DEMO
    else "https://www.norge.no/nb/digital-borger/oppdater-kontaktinformasjon",
)
KRR_INTERVAL_SECONDS = env_int("KRR_INTERVAL_SECONDS", 20 if DEMO else 24 * 3600, minimum=1)

# Mail that leaves Samlepost. In the demo it goes to the outbox page.
EMAIL_BACKEND = env_text(
    "EMAIL_BACKEND",
    "inbox.notifications.outbox.OutboxBackend"
    if DEMO
    else "django.core.mail.backends.smtp.EmailBackend",
)
EMAIL_HOST = env_text("EMAIL_HOST", "localhost")
EMAIL_PORT = env_int("EMAIL_PORT", 25)
EMAIL_HOST_USER = env_text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env_text("EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS = env_bool("EMAIL_USE_TLS")
EMAIL_TIMEOUT = 15
DEFAULT_FROM_EMAIL = env_text("DEFAULT_FROM_EMAIL", "Samlepost <ikke-svar@samlepost.example>")

# Where citizens write who need help, find a page hard to use, or ask what is kept about them.
CONTACT_EMAIL = env_text("CONTACT_EMAIL", "hjelp@samlepost.example")

# Our documents for agencies' developers, shown in the portal.
DOCS_DIR = BASE_DIR / "docs"

# The validator of PDF/A (verapdf.org), where it is installed: its start script.
VERAPDF_BIN = env_text("VERAPDF_BIN")
ARCHIVE_DIR = Path(env_text("ARCHIVE_DIR", str(DATA_DIR / "archive")))
EXPORT_DIR = Path(env_text("EXPORT_DIR", str(DATA_DIR / "exports")))
IMPORT_DIR = Path(env_text("IMPORT_DIR", str(DATA_DIR / "imports")))
# How the archive proves that nothing was changed (docs/archive-proofs.md): off, by a log of its own
# (log), or by that, a witness and timestamps (full). The log's name stands in every proof for ever.
ARCHIVE_PROOF = env_text("ARCHIVE_PROOF", "log")
if ARCHIVE_PROOF not in ("off", "log", "full"):
    raise ImproperlyConfigured("ARCHIVE_PROOF must be off, log or full.")
ARCHIVE_LOG_ORIGIN = env_text(
    "ARCHIVE_LOG_ORIGIN",
    "samlepost.example/archive" if DEMO else f"{urlsplit(WEB_PUBLIC_URL).hostname}/archive",
)
ARCHIVE_LOG_KEY_FILE = env_text(
    "ARCHIVE_LOG_KEY_FILE", str(_keys_dir / "archive-log.pem") if DEMO else ""
)
if ARCHIVE_PROOF != "off" and not ARCHIVE_LOG_KEY_FILE:
    raise ImproperlyConfigured(
        "ARCHIVE_LOG_KEY_FILE must name the Ed25519 key (PEM) of the archive's log; "
        "make one with: openssl genpkey -algorithm ed25519."
    )
# In `full` only: who signs the log as well, and who says when (RFC 3161), with the certificates
# (PEM) that lead from its signature to a root.
ARCHIVE_WITNESS_URL = env_url("ARCHIVE_WITNESS_URL", "http://127.0.0.1:8020" if DEMO else "")
ARCHIVE_WITNESS_KEY = env_text("ARCHIVE_WITNESS_KEY")
ARCHIVE_TSA_URL = env_url("ARCHIVE_TSA_URL", f"{SIMULATORS_URL}/tsa/stamp" if DEMO else "")
ARCHIVE_TSA_CERTIFICATES_FILE = env_text(
    "ARCHIVE_TSA_CERTIFICATES_FILE", str(_keys_dir / "tsa" / "root.pem") if DEMO else ""
)
for _name in (
    *("ARCHIVE_WITNESS_URL", "ARCHIVE_WITNESS_KEY"),
    *("ARCHIVE_TSA_URL", "ARCHIVE_TSA_CERTIFICATES_FILE"),
):
    if ARCHIVE_PROOF == "full" and not globals()[_name]:
        raise ImproperlyConfigured(f"{_name} must be set when ARCHIVE_PROOF is full.")
# The key that wraps every citizen's key, and those that did before and still wrap some.
ARCHIVE_ROOT_KEY = env_hex(
    "ARCHIVE_ROOT_KEY", 32, DATA_DIR / "keys" / "archive-root-key" if DEMO else None
)
ARCHIVE_ROOT_KEYS_OLD = env_hexes("ARCHIVE_ROOT_KEYS_OLD", 32)
ARCHIVE_ROOT_KEYS_CLASS = env_text("ARCHIVE_ROOT_KEYS_CLASS", "inbox.archive.keys.SettingsRootKeys")
# In a bucket instead, where one is named; and a second copy, in a folder (on another disk) or a
# bucket (at another place).
ARCHIVE_S3 = env_bucket("ARCHIVE_S3")
ARCHIVE_COPY_DIR = env_text("ARCHIVE_COPY_DIR")
ARCHIVE_COPY_S3 = env_bucket("ARCHIVE_COPY_S3")
if ARCHIVE_COPY_DIR and ARCHIVE_COPY_S3:
    raise ImproperlyConfigured("Set ARCHIVE_COPY_DIR or ARCHIVE_COPY_S3_BUCKET, not both.")
if (ARCHIVE_COPY_DIR and Path(ARCHIVE_COPY_DIR).resolve() == ARCHIVE_DIR.resolve()) or (
    ARCHIVE_S3 and ARCHIVE_S3 == ARCHIVE_COPY_S3
):
    raise ImproperlyConfigured("The second copy of the archive must lie elsewhere than the first.")
# Within so many days all of it is read again, and held against what was stored.
ARCHIVE_CHECK_DAYS = env_int("ARCHIVE_CHECK_DAYS", 90, minimum=1)

# How often each mailbox is asked for new letters; sources may also ping /hooks/<source>/.
SYNC_INTERVAL_SECONDS = env_int("SYNC_INTERVAL_SECONDS", 20 if DEMO else 300, minimum=1)
# How many mailboxes of one source are fetched a minute, unless its row says otherwise, and how
# long after a fetch a ping can bring about another.
SYNC_SOURCE_PER_MINUTE = env_int("SYNC_SOURCE_PER_MINUTE", 600, minimum=1)
# How many workers may fetch from one source at a time, and do each other kind of work there: fewer
# than there are, so that one that does not answer leaves some to the others.
SYNC_SOURCE_BUSY_MAX = env_int("SYNC_SOURCE_BUSY_MAX", 1 if DEMO else 4, minimum=1)
SYNC_PING_FLOOR_SECONDS = env_int("SYNC_PING_FLOOR_SECONDS", 2 if DEMO else 10)
SYNC_LEASE_SECONDS = env_int("SYNC_LEASE_SECONDS", 30, minimum=5)
SYNC_BACKOFF_MAX_SECONDS = env_int("SYNC_BACKOFF_MAX_SECONDS", 60 if DEMO else 900, minimum=1)
# How often a source is asked for whom else a citizen may act.
PARTIES_INTERVAL_SECONDS = env_int("PARTIES_INTERVAL_SECONDS", 60 if DEMO else 24 * 3600, minimum=1)
# How long what we can mend ourselves is held before its sender gets an error receipt: a sixth of
# the 24 hours that senders usually give (DPI's expectedResponseDateTime) before they print.
REJECTION_HOLD_SECONDS = env_int("REJECTION_HOLD_SECONDS", 120 if DEMO else 4 * 3600)

# How many workers may at one time be sending to agencies' webhooks.
WEBHOOKS_AT_ONCE = env_int("WEBHOOKS_AT_ONCE", 1 if DEMO else 4, minimum=1)

# How long a letter lies at a source that does not say so: a year from when it was sent, the
# shortest that agencies keep letters for. 30 days before that it is kept, or she is warned.
KEEPING_ASSUMED_DAYS = env_int("KEEPING_ASSUMED_DAYS", 365, minimum=1)

# Letters that agencies send from the portal: how many at one go, and bytes of a PDF and of a zip
# of PDFs, which is held by the web while it is checked.
OUTGOING_ROWS_MAX = env_int("OUTGOING_ROWS_MAX", 10_000, minimum=1)
OUTGOING_PDF_MAX_BYTES = env_int("OUTGOING_PDF_MAX_BYTES", 10_000_000, minimum=1)
OUTGOING_ZIP_MAX_BYTES = env_int("OUTGOING_ZIP_MAX_BYTES", 100_000_000, minimum=1)
# What of a copy of letters may be brought in by the page; larger ones: manage.py bring_in.
IMPORT_ZIP_MAX_BYTES = env_int("IMPORT_ZIP_MAX_BYTES", 100_000_000, minimum=1)
IMPORT_FILES_MAX = env_int("IMPORT_FILES_MAX", 20_000, minimum=1)
OWN_FILES_MAX = env_int("OWN_FILES_MAX", 30, minimum=1)
OWN_FILE_MAX_BYTES = env_int("OWN_FILE_MAX_BYTES", 25_000_000, minimum=1)
OWN_FILES_MAX_BYTES = env_int("OWN_FILES_MAX_BYTES", 100_000_000, minimum=1)
# All that one citizen may keep of papers of her own.
OWN_TOTAL_MAX_BYTES = env_int("OWN_TOTAL_MAX_BYTES", 5_000_000_000, minimum=1)

# Wake-ups; config/celery.py has the beat schedule.
CELERY_BROKER_URL = REDIS_URL or "filesystem://"
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "celerybeat-schedule")
if REDIS_URL:
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {
        "visibility_timeout": 600,
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
    }
else:
    _broker = {name: DATA_DIR / "broker" / name for name in ("messages", "control")}
    for _folder in _broker.values():
        _folder.mkdir(parents=True, exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_broker["messages"]),
        "data_folder_out": str(_broker["messages"]),
        "control_folder": str(_broker["control"]),
        "polling_interval": 0.2,
    }
    # Remote control would fill the folder with files that nobody reads.
    CELERY_WORKER_ENABLE_REMOTE_CONTROL = False

LANGUAGE_CODE = "nb"
# Django knows no Sami language; what is not translated there is shown in bokmål.
LANG_INFO["se"] = {
    "bidi": False,
    "code": "se",
    "name": "Northern Sami",
    "name_local": "davvisámegiella",
}
LANGUAGES = [
    ("nb", _("Norwegian Bokmål")),
    ("nn", _("Norwegian Nynorsk")),
    ("se", _("Northern Sami")),
    ("en", _("English")),
]
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SECURE = not DEMO
LOCALE_PATHS = [BASE_DIR / "inbox" / "web" / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "Europe/Oslo"

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static" if DEMO else BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if not DEMO:
    SECURE_SSL_REDIRECT = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
    SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = True

_idporten = "{0.scheme}://{0.netloc}".format(urlsplit(OIDC_OP_LOGOUT_ENDPOINT))
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        # Designsystemet draws its icons with masks of data: addresses.
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "object-src": [SELF],
        # Chromium shows a PDF in <object> as a frame.
        "frame-src": [SELF],
        # Logging out posts a form whose answer leads to ID-porten.
        "form-action": [SELF, _idporten],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "manifest-src": [SELF],
        "worker-src": [SELF],
    }
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"redact": {"()": "config.logs.Redact"}},
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "filters": ["redact"], "formatter": "line"},
    },
    "root": {"handlers": ["console"], "level": env_text("LOG_LEVEL", "INFO").upper()},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.server": {"handlers": [], "propagate": True},
        # One line for each request to a source at INFO would drown the rest.
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
        # Logs whole claims, the identity number among them, at DEBUG.
        "mozilla_django_oidc": {"level": "INFO"},
    },
}
SILENCED_SYSTEM_CHECKS: list[str] = []
