"""`manage.py archive_keys`: backup, restore, destroy, escrow and the three that rotate."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from inbox.agencies.models import Agency
from inbox.archive import escrow, key_backup, keys, store
from inbox.archive.models import OwnerKey
from inbox.citizens.models import Citizen
from inbox.sync import removal


class Command(BaseCommand):
    """Backs up, restores, changes and destroys the archive's keys."""

    help = "Back up, restore, change or destroy keys of the archive (docs/archive-format.md)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One thing at a time."""
        what = parser.add_subparsers(dest="what", required=True)
        for name, text in (("backup", "write all wrapped keys to FILE"), ("restore", "from FILE")):
            what.add_parser(name, help=text).add_argument("file", type=Path)
        lose = what.add_parser("destroy", help="a citizen's key, for good, with all that is hers")
        lose.add_argument("owner", type=UUID, help="her id: a UUID")
        lose.add_argument("--yes", action="store_true", help="do not ask")
        shares = what.add_parser("escrow", help="split root, log and identity key: 2 of 3 shares")
        shares.add_argument("folder", type=Path)
        what.add_parser("rotate-root", help="wrap owners' keys with ARCHIVE_ROOT_KEY")
        owner = what.add_parser("rotate-owner", help="give an owner a new key")
        owner.add_argument("owner", type=UUID)
        what.add_parser("rotate-all", help="give every owner a new key")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, and say how many keys it was."""
        try:
            if options["what"] == "restore":
                self._restore(options["file"])
                return
            if options["what"] == "destroy":
                self._destroy(options["owner"], is_sure=options["yes"])
                return
            count = self._do(options)
        except (keys.NoKey, key_backup.BadBackup, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{count} {'shares' if options['what'] == 'escrow' else 'keys'}.")

    def _do(self, options: dict[str, Any]) -> int:
        match options["what"]:
            case "backup":
                return key_backup.write(options["file"])
            case "escrow":
                return escrow.write(options["folder"], _secrets())
            case "rotate-root":
                return keys.rotate_root()
            case "rotate-owner":
                return keys.rotate_owner(options["owner"])
            case _:
                kept = OwnerKey.objects.filter(destroyed_at=None)
                owners = kept.values_list("owner_id", flat=True)
                return sum(keys.rotate_owner(owner_id) for owner_id in list(owners))

    def _restore(self, file: Path) -> None:
        restored = key_backup.restore(file)
        self.stdout.write(f"{restored.keys} keys.")
        if restored.passed_over:
            self.stdout.write(
                f"{restored.passed_over} of them were destroyed since, and stay destroyed."
            )
        if restored.destroyed:
            self.stdout.write(
                f"{restored.destroyed} owners had theirs destroyed before: those that were here go."
            )

    def _destroy(self, owner_id: UUID, *, is_sure: bool) -> None:
        if owner_id == store.SYSTEM or Agency.objects.filter(id=owner_id).exists():
            raise CommandError("That is no citizen: letters of many lie under this key.")
        is_known = OwnerKey.objects.filter(owner_id=owner_id).exists()
        if not is_known and not Citizen.objects.filter(id=owner_id).exists():
            raise CommandError("There is no such citizen.")
        if not is_sure:
            self.stdout.write("All letters of hers become unreadable, everywhere and for good.")
            if input("Her id once more: ").strip() != str(owner_id):
                raise CommandError("Nothing was done.")
        removal.remove(owner_id)
        self.stdout.write(
            f"The key of {owner_id} is destroyed, and all that was hers is removed. Whoever has a "
            "copy of the keys or of the database from before still has hers: see that none is "
            "older than 30 days."
        )
        if owner_id in keys.to_erase():
            self.stdout.write(
                "The database's file holds some of it for now: the worker sees to it."
            )


def _secrets() -> dict[str, bytes]:
    """Return what must not be lost with this machine, by the names of files in the demo."""
    if settings.ARCHIVE_ROOT_KEYS_CLASS != "inbox.archive.keys.SettingsRootKeys":
        raise keys.NoKey("the root key lies elsewhere: its keeper must split it")
    found = {
        "archive-root-key": bytes.fromhex(settings.ARCHIVE_ROOT_KEY),
        "identity-key": bytes.fromhex(settings.IDENTITY_KEY),
    }
    if settings.ARCHIVE_PROOF != "off":
        found["archive-log.pem"] = Path(settings.ARCHIVE_LOG_KEY_FILE).read_bytes()
    return found
