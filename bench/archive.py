"""Archive put against plain write and fsync of the same bytes."""

from __future__ import annotations

import os
from uuid import uuid4

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.conf import settings  # noqa: E402

from bench.rounds import interleaved, milliseconds, ratio  # noqa: E402
from inbox.archive import store  # noqa: E402

SIZE = 100_000
ROUNDS = 15
REPEATS = 20


def main() -> None:
    """Print the ratio."""
    content = os.urandom(SIZE)
    plain = settings.DATA_DIR / "plain"
    plain.mkdir(parents=True, exist_ok=True)

    def write() -> None:
        descriptor = os.open(plain / str(uuid4()), os.O_WRONLY | os.O_CREAT)
        os.write(descriptor, content)
        os.fsync(descriptor)
        os.close(descriptor)

    def put() -> None:
        store.put(uuid4(), {"files/0001.pdf": content})

    times = interleaved({"put": put, "plain": write}, ROUNDS, REPEATS)
    print(f"archive put of {SIZE // 1000} kB    {milliseconds(times['put'])}")
    print(f"plain write and fsync  {milliseconds(times['plain'])}")
    print(f"  archive put at {ratio(times['plain'], times['put']):.2f} of plain write and fsync")


if __name__ == "__main__":
    main()
