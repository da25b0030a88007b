"""`manage.py archive_keys`: backup, restore, escrow, rotate-root, rotate-owner, rotate-all."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from inbox.archive import escrow, key_backup, keys
from inbox.archive.models import OwnerKey


class Command(BaseCommand):
    """Backs up, restores and changes the archive's keys; touches no stored file."""

    help = "Back up, restore or change the keys of the archive (docs/archive-format.md)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One thing at a time."""
        what = parser.add_subparsers(dest="what", required=True)
        for name, text in (("backup", "write all wrapped keys to FILE"), ("restore", "from FILE")):
            what.add_parser(name, help=text).add_argument("file", type=Path)
        shares = what.add_parser("escrow", help="split root, log and identity key: 2 of 3 shares")
        shares.add_argument("folder", type=Path)
        what.add_parser("rotate-root", help="wrap owners' keys with ARCHIVE_ROOT_KEY")
        owner = what.add_parser("rotate-owner", help="give an owner a new key")
        owner.add_argument("owner", type=UUID)
        what.add_parser("rotate-all", help="give every owner a new key")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, and say how many keys it was."""
        try:
            count = self._do(options)
        except (keys.NoKey, key_backup.BadBackup, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{count} {'shares' if options['what'] == 'escrow' else 'keys'}.")

    def _do(self, options: dict[str, Any]) -> int:
        match options["what"]:
            case "backup":
                return key_backup.write(options["file"])
            case "restore":
                return key_backup.restore(options["file"])
            case "escrow":
                return escrow.write(options["folder"], _secrets())
            case "rotate-root":
                return keys.rotate_root()
            case "rotate-owner":
                return keys.rotate_owner(options["owner"])
            case _:
                owners = OwnerKey.objects.values_list("owner_id", flat=True)
                return sum(keys.rotate_owner(owner_id) for owner_id in list(owners))


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
