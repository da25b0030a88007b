"""Archive put against plain write and fsync of the same bytes, and a large document's memory."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from uuid import UUID, uuid4

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402

from bench.rounds import interleaved, milliseconds, ratio  # noqa: E402
from inbox.archive import store  # noqa: E402

SIZE = 100_000
ROUNDS = 15
GROUP = 100
"""As many letters as `sync/intake.py` makes safe together."""
LARGE = 100_000_000


def main() -> None:
    """Print the ratios."""
    call_command("migrate", verbosity=0)
    owner, content = uuid4(), os.urandom(SIZE)
    plain = settings.DATA_DIR / "plain"
    plain.mkdir(parents=True, exist_ok=True)

    def write() -> None:
        descriptor = os.open(plain / str(uuid4()), os.O_WRONLY | os.O_CREAT)
        os.write(descriptor, content)
        os.fsync(descriptor)
        os.close(descriptor)

    def one() -> None:
        store.put(owner, uuid4(), {"files/0001.pdf": content})

    def many() -> None:
        ids = [uuid4() for _ in range(GROUP)]
        with store.group((owner, each) for each in ids) as group:
            for each in ids:
                group.put(owner, each, {"files/0001.pdf": content})

    def repeated(do: Callable[[], None], times: int) -> Callable[[], None]:
        return lambda: [do() for _ in range(times)] and None

    subjects = {"plain": repeated(write, GROUP), "group": many, "one": repeated(one, 10)}
    times = interleaved(subjects, ROUNDS)
    each = {
        "plain": [seconds / GROUP for seconds in times["plain"]],
        "group": [seconds / GROUP for seconds in times["group"]],
        "one": [seconds / 10 for seconds in times["one"]],
    }
    print(f"plain write and fsync of {SIZE // 1000} kB   {milliseconds(each['plain'])}")
    print(f"archive put, {GROUP} letters together  {milliseconds(each['group'])}")
    print(f"archive put, a letter by itself   {milliseconds(each['one'])}")
    print(f"  put of a batch at {ratio(each['plain'], each['group']):.2f} of write and fsync")
    print(f"  put of one at {ratio(each['plain'], each['one']):.2f} of write and fsync")
    large(owner)


def large(owner: UUID) -> None:
    """Print how much memory a document of 100 MB takes on its way in and out."""
    object_id, piece = uuid4(), os.urandom(65_536)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    store.put(owner, object_id, {"files/0001.pdf": (piece for _ in range(LARGE // len(piece)))})
    for _ in store.read_chunks(owner, object_id, "files/0001.pdf"):
        pass
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"a document of 100 MB in and out takes {(after - before) / 1024:.1f} MB more memory")


if __name__ == "__main__":
    main()
