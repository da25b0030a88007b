"""What NAV shows one citizen at nav.no: varsler, and documents of the archive."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

from connectors import clock, contract
from connectors.contract import (
    LEVEL_HIGH,
    Account,
    Batch,
    ConnectorError,
    Gone,
    Happening,
    IncomingLetter,
    LetterNote,
    Misconfigured,
    NotGiven,
    NotPermitted,
    OutgoingReceipt,
    RateLimited,
    RawPart,
    ReceiptKind,
    Scope,
    Temporary,
    Unreadable,
)
from connectors.fields import WrongField
from connectors.http import Http, NotFound, Refused
from connectors.maskinporten.client import TokenSource
from connectors.nav import archive, mapping, snapshot
from connectors.nav.reasons import DESTROYED, REASONS, refused_because
from connectors.nav.snapshot import Item, Known
from connectors.tokens import Bearer

SCOPE = "nav:minside.read"
ACR_SUBSTANTIAL = "idporten-loa-substantial"
ACR_HIGH = "idporten-loa-high"
BATCH_SIZE = 50
SNAPSHOT_MAX = 10_000
"""Entries of a list; NAV deletes a varsel after a year."""
NOT_HERS_TO_CLOSE = "Bruker kan ikke inaktivere"
"""How NAV's answer begins where she closes what is no beskjed."""
VARSEL, JOURNALPOST, THEME = "varsel.json", "journalpost.json", "tema.json"
REASON_HEADER = "Nav-Reason-Code"
MAGIC = (b"%PDF", b"\x89PNG", b"\xff\xd8\xff")

Read = Callable[[Item], IncomingLetter | None]


class Connector(contract.Connector):
    """One citizen's varsler and documents. See README.md for settings and what has an effect."""

    label = "NAV (nav.no)"
    scope = Scope.PER_CITIZEN
    required_settings = (
        "base_url",
        "documents_url",
        "maskinporten_url",
        "client_id",
        "private_key_file",
    )
    receipts = frozenset({ReceiptKind.HANDLED})

    def __init__(self, settings: Mapping[str, str]) -> None:
        """Raise Misconfigured when a setting is missing or the key cannot be read."""
        super().__init__(settings)
        self.label = settings.get("label") or self.label
        self._varsler = Http(settings["base_url"])
        self._archive = Http(settings["documents_url"])
        self._maskinporten = Http(settings["maskinporten_url"])
        self._tokens = TokenSource(
            self._maskinporten,
            settings["maskinporten_url"],
            settings["client_id"],
            settings["private_key_file"],
        )

    def check(self) -> None:
        """Ask Maskinporten for a token; raises what stands in the way."""
        self._tokens.token(SCOPE)

    def fetch(self, account: Account | None, cursor: str | None) -> Iterator[Batch]:
        """Yield what is new, has changed or is no longer listed, in batches of at most 50.

        Both lists come whole. Where one of the two cannot be had the other is taken in all the
        same, and the failure is raised after it.
        """
        account, known = _given(account), snapshot.load(cursor)
        failed: Temporary | None = None
        for changes in (self._new_varsler, self._new_journalposter):
            try:
                yield from changes(account, known)
            except RateLimited:
                raise
            except Temporary as error:
                failed = failed or error
        if failed:
            raise failed

    def open_letter(self, account: Account, external_id: str) -> IncomingLetter:
        """Fetch the text of a varsel that NAV gives in a session of level high alone.

        Raises NotPermitted below that level, Gone where NAV lists it no longer.
        """
        if account.security_level < LEVEL_HIGH:
            raise NotPermitted("NAV gives this text in a session of level high alone")
        for each in snapshot.items_of(self._listed(account, ACR_HIGH), "varselId"):
            if each.key == external_id:
                try:
                    letter = mapping.read_varsel(each.said, account.recipient, opened=True)
                except WrongField as error:
                    raise Temporary(f"the varsel is not what was promised: {error}") from None
                if letter.content_on_open:
                    raise NotPermitted("NAV withholds the text from a session of level high")
                return letter
        raise Gone("NAV does not list the varsel any longer")

    def download(self, account: Account | None, ref: str) -> Iterator[bytes]:
        """Stream a document, which NAV answers in base64.

        Raises NotGiven with the reason where she has no access, Gone where it is deleted.
        """
        bearer = self._bearer(_given(account))
        try:
            yield from decoded(self._archive.stream(ref, bearer=bearer))
        except (Misconfigured, NotPermitted, NotFound, Refused) as error:
            raise self._why_not(ref, bearer, error) from None

    def reread(self, account: Account | None, external_id: str, raw: Iterable[RawPart]) -> Batch:
        """Read a quarantined entry once more."""
        parts, account = {part.name: part.content for part in raw}, _given(account)
        try:
            if VARSEL in parts:
                name, said = VARSEL, archive.parsed(parts[VARSEL])
                letter: IncomingLetter | None = mapping.read_varsel(said, account.recipient)
            elif JOURNALPOST in parts:
                name, said = JOURNALPOST, archive.parsed(parts[JOURNALPOST])
                theme = archive.parsed(parts.get(THEME, b"null"))
                themes = mapping.theme_names([theme] if theme and theme.get("navn") else [])
                letter = mapping.read_journalpost(said, themes, account.recipient)
            else:
                reason = "what arrived was not kept"
                return Batch(unreadable=[Unreadable(external_id, reason, list(raw))])
        except WrongField as error:
            key = external_id or "?"
            return Batch(unreadable=[mapping.refused(key, said, str(error), name)])
        return Batch([letter] if letter else [])

    def send_receipt(self, account: Account | None, receipt: OutgoingReceipt) -> None:
        """Close a beskjed that she is done with; again, it changes nothing.

        An oppgave or innboks, which she cannot close at NAV, and a document are left as they are.
        """
        if receipt.kind not in self.receipts:
            raise Misconfigured(f"NAV takes no receipt of kind {receipt.kind}")
        if not mapping.is_varsel_id(receipt.reference):
            return
        answer = self._varsler.post(
            "beskjed/inaktiver",
            json={"varselId": receipt.reference},
            bearer=self._bearer(_given(account)),
            accept=(403,),
        )
        if answer.status_code != 403 or answer.text.startswith(NOT_HERS_TO_CLOSE):
            return
        raise Gone("NAV does not know the varsel as hers")

    def close(self) -> None:
        """Let go of connections."""
        for each in (self._varsler, self._archive, self._maskinporten):
            each.close()

    def _new_varsler(self, account: Account, known: dict[str, Known]) -> Iterator[Batch]:
        def read(item: Item) -> IncomingLetter:
            return mapping.read_varsel(item.said, account.recipient)

        listed = mapping.oldest_first(self._listed(account, ACR_SUBSTANTIAL), "opprettet")
        items = snapshot.items_of(listed, "varselId")
        yield from _changes("varsler", items, read, VARSEL, known)

    def _new_journalposter(self, account: Account, known: dict[str, Known]) -> Iterator[Batch]:
        answer = self._archive.post_json(
            "graphql", json=archive.asked(account.national_id), bearer=self._bearer(account)
        )
        try:
            listed, themes = archive.overview(answer)
        except archive.NobodyKnown as error:
            if known["journalposter"].entries:
                raise Temporary(str(error)) from None  # and there were some before
            return
        if len(listed) > SNAPSHOT_MAX:
            raise Temporary("NAV lists more documents than anybody can have")

        def read(item: Item) -> IncomingLetter | None:
            letter = mapping.read_journalpost(item.said, themes, account.recipient)
            if letter and letter.withdrawn and not known["journalposter"].is_letter(item.key):
                return None  # never shown to her while it stood
            return letter

        listed = mapping.oldest_first(listed, "datoSortering")
        items = snapshot.items_of(listed, "journalpostId")
        yield from _changes("journalposter", items, read, JOURNALPOST, known)

    def _listed(self, account: Account, acr: str) -> list[Any]:
        """All varsler of hers; NAV leaves out what a session of this level may not see."""
        language = account.language or "nb"
        found = self._varsler.get_json(
            "varsel/sammendrag",
            params={"preferert_spraak": language},
            bearer=self._bearer(account, acr),
        )
        if not isinstance(found, list):
            raise Temporary("the varsler are not the list that was promised")
        if len(found) > SNAPSHOT_MAX:
            raise Temporary("NAV lists more varsler than anybody can have")
        return found

    def _bearer(self, account: Account, acr: str = ACR_SUBSTANTIAL) -> Bearer:
        return self._tokens.bearer(SCOPE, account.national_id, acr)

    def _why_not(self, ref: str, bearer: Bearer, error: ConnectorError) -> ConnectorError:
        """Ask once more for a document that was refused, for the reason in the header."""
        answer = self._archive.request("GET", ref, bearer=bearer, accept=(400, 401, 403, 404))
        code = answer.headers.get(REASON_HEADER, "")
        if code == DESTROYED:
            return Gone("NAV has deleted the document")
        if code in REASONS or (code and answer.status_code == 403):
            return NotGiven(refused_because([code]))
        return Gone("NAV has no such document") if isinstance(error, NotFound) else error


def _changes(
    name: str, items: list[Item], read: Read, raw_name: str, known: dict[str, Known]
) -> Iterator[Batch]:
    """Yield what is new or has changed of a list, then what it has no more.

    After each batch the cursor covers it, and what came before.
    """
    own, before = known[name], snapshot.dump(known)
    for item in items:
        own.present(item)
    news = [item for item in items if own.is_news(item)]
    for start in range(0, len(news), BATCH_SIZE):
        letters, unreadable = [], []
        for item in news[start : start + BATCH_SIZE]:
            letter = None
            try:
                letter = read(item)
                if letter and letter.external_id != item.key:
                    letter = None
                    raise WrongField("another entry has the same id")
            except WrongField as error:
                unreadable.append(mapping.refused(item.key, item.said, str(error), raw_name))
            own.note(item, letter=letter is not None)
            if letter:
                letters.append(letter)
        before = snapshot.dump(known)
        yield Batch(letters, unreadable, before)
    gone = own.absent(item.key for item in items)
    after = snapshot.dump(known)
    if gone or after != before:
        yield Batch(cursor=after, notes=[_gone(key) for key in gone])


def _gone(key: str) -> LetterNote:
    otherwise = Unreadable(key, "NAV lists it no longer", [mapping.raw_part("gone.json", key)])
    return LetterNote(key, Happening.DELETED, clock.now(), otherwise)


def decoded(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a document that is sent in base64, or as it is, as its own bytes.

    Raises Temporary where the base64 is broken.
    """
    first = next(chunks, b"")
    while len(first) < 8 and (more := next(chunks, b"")):
        first += more
    if first.startswith(MAGIC) or not _is_base64(first):
        yield from chain([first], chunks)
        return
    rest = b""
    for chunk in chain([first], chunks):
        rest += chunk.translate(None, b"\r\n")
        whole = len(rest) - len(rest) % 4
        try:
            yield base64.b64decode(rest[:whole], validate=True)
        except binascii.Error:
            raise Temporary("the document's base64 is broken") from None
        rest = rest[whole:]
    if rest:
        raise Temporary("the document's base64 breaks off")


def _is_base64(start: bytes) -> bool:
    plain = start.translate(None, b"\r\n")
    try:
        base64.b64decode(plain[: len(plain) - len(plain) % 4], validate=True)
    except binascii.Error:
        return False
    return bool(plain)


def _given(account: Account | None) -> Account:
    if account is None:
        raise Misconfigured("NAV is asked for one citizen at a time")
    if account.organisation:
        raise NotPermitted("nav.no shows persons their own alone")
    return replace(account)
