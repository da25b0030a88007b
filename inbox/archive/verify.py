"""Do the rows and the bytes still agree? Reads packages from the store again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from inbox.archive import store
from inbox.archive.models import Blob, Package


def packages(sample: int | None = None) -> Iterator[Package]:
    """Yield every package, or that many at random."""
    rows = Package.objects.order_by("citizen_id", "id")
    if sample is not None:
        return iter(rows.order_by("?")[:sample])
    return rows.iterator(chunk_size=500)


def damage(chosen: Iterable[Package]) -> Iterator[tuple[Package, list[str]]]:
    """Verify each package against its object and its rows; yield what is wrong, if anything."""
    for package in chosen:
        yield package, [*store.verify(package.id), *_row_problems(package)]


def _row_problems(package: Package) -> list[str]:
    """Compare the rows with the store: an object made anew is whole, but not what was kept."""
    try:
        stored = store.describe(package.citizen_id, package.id, package.version)
    except store.Missing as error:
        return [f"version {package.version} of the row: {error}"]
    except store.Damaged:
        return []  # verify names it.
    found = []
    if stored.inventory_sha512 != package.inventory_sha512:
        found.append(f"the inventory of v{package.version} is not the one that was deposited")
    rows = Blob.objects.filter(citizen_id=package.citizen_id, package_id=package.id)
    for blob in rows.filter(version=package.version):
        file = stored.files.get(blob.path)
        if file is None or (file.sha256, file.size) != (blob.sha256, blob.size):
            found.append(f"{blob.path} is not as its row says")
    return found
