"""Reading settings from the environment; a wrong value stops the start and names its variable."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured


def _one_sentence(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Show a wrong setting as the sentence that it is, anything else as usual."""
    if issubclass(kind, ImproperlyConfigured):
        sys.stderr.write(f"Samlepost cannot start: {error}\n")
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _one_sentence

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off"}


def env_text(name: str, default: str = "") -> str:
    """Return the variable, or the content of the file that NAME_FILE points to.

    One that is set to nothing is not set, as the lines of .env.example are.
    """
    file = os.environ.get(f"{name}_FILE")
    if file:
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ImproperlyConfigured(
                f"{name}_FILE points to {file}, which cannot be read: {error.strerror}."
            ) from error
    return os.environ.get(name) or default


def env_bool(name: str, default: bool = False) -> bool:
    """Return the variable as a truth value (1/0, true/false, yes/no, on/off)."""
    value = os.environ.get(name)
    if not value:
        return default
    if value.strip().lower() in TRUE:
        return True
    if value.strip().lower() in FALSE:
        return False
    raise ImproperlyConfigured(f"{name} must be 1 or 0, not {value!r}.")


def env_int(name: str, default: int, minimum: int = 0) -> int:
    """Return the variable as a whole number of at least `minimum`."""
    value = os.environ.get(name)
    if not value:
        return default
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.") from None
    if number < minimum:
        raise ImproperlyConfigured(f"{name} must be at least {minimum}, not {number}.")
    return number


def env_list(name: str, default: str = "") -> list[str]:
    """Return the variable as a list, split at commas."""
    return [part.strip() for part in env_text(name, default).split(",") if part.strip()]


def env_url(name: str, default: str, schemes: tuple[str, ...] = ("http", "https")) -> str:
    """Return the variable as an address with one of `schemes`, without a slash at its end."""
    value = env_text(name, default).rstrip("/")
    if value and (urlsplit(value).scheme not in schemes or "//" not in value):
        raise ImproperlyConfigured(f"{name} must be an address such as {schemes[0]}://….")
    return value


def env_hex(name: str, length: int, fallback_file: Path | None) -> str:
    """Return a secret of `length` bytes in hex.

    Without the variable the secret is made once and kept in `fallback_file`, where one is
    given (demo and tests); otherwise the start stops.
    """
    value = env_text(name)
    if not value and fallback_file is not None:
        value = kept_secret(fallback_file, length)
    try:
        good = len(bytes.fromhex(value)) == length
    except ValueError:
        good = False
    if not good:
        raise ImproperlyConfigured(f"{name} must be set to {length * 2} hexadecimal digits.")
    return value


def env_hexes(name: str, length: int) -> list[str]:
    """Return secrets of `length` bytes in hex, divided by commas; none where it is not set."""
    values = env_list(name)
    try:
        good = all(len(bytes.fromhex(value)) == length for value in values)
    except ValueError:
        good = False
    if not good:
        raise ImproperlyConfigured(f"{name} must hold {length * 2} hexadecimal digits each.")
    return values


def kept_secret(file: Path, length: int = 32) -> str:
    """Return the secret in `file`, made on first use and readable by its owner alone."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name(f"{file.name}.{os.getpid()}.tmp")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as target:
            target.write(secrets.token_hex(length))
        # A link is made whole or not at all: of two processes that start together one wins.
        with contextlib.suppress(FileExistsError):
            os.link(fresh, file)
        fresh.unlink()
    return file.read_text(encoding="ascii").strip()


def env_bucket(name: str) -> dict[str, str] | None:
    """Return what NAME_BUCKET, NAME_ENDPOINT and so on say of an S3 bucket; None without one."""
    said = {
        "name": env_text(f"{name}_BUCKET"),
        "prefix": env_text(f"{name}_PREFIX").strip("/"),
        "endpoint": env_url(f"{name}_ENDPOINT", ""),
        "region": env_text(f"{name}_REGION", "us-east-1"),
        "access_key": env_text(f"{name}_ACCESS_KEY"),
        "secret_key": env_text(f"{name}_SECRET_KEY"),
    }
    if not said["name"]:
        return None
    if bool(said["access_key"]) != bool(said["secret_key"]):
        raise ImproperlyConfigured(f"Set both {name}_ACCESS_KEY and {name}_SECRET_KEY, or neither.")
    return said
