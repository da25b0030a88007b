"""Letters of one citizen from Altinn: listed by Dialogporten, opened in Correspondence."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from connectors import contract
from connectors.altinn import labels, mapping, search, transmissions
from connectors.altinn.hosts import Hosts
from connectors.altinn.position import Position, items_of, newest_by
from connectors.altinn.tokens import SCOPE, AltinnTokens
from connectors.altinn.transmissions import Embedded, Surroundings
from connectors.contract import (
    LEVEL_HIGH,
    LEVEL_SUBSTANTIAL,
    Account,
    ActRefused,
    Batch,
    Gone,
    IncomingLetter,
    LetterState,
    Misconfigured,
    NotPermitted,
    OutgoingAct,
    OutgoingReceipt,
    OutgoingState,
    Party,
    RawPart,
    ReceiptKind,
    Rest,
    Scope,
    Temporary,
    Thread,
    Unreadable,
)
from connectors.fields import WrongField, text
from connectors.http import Http, NotFound, Refused
from connectors.maskinporten.client import TokenSource

DIALOGS = "dialogporten/api/v1/enduser/dialogs"
PARTIES = "dialogporten/api/v1/enduser/parties"
CORRESPONDENCES = "correspondence/api/v1/correspondence"
PAGES_MAX = 1000
TEXTS_MAX = 100
"""Embedded texts that are fetched as a letter is opened; the others stay at the sender."""
INSTANT = timedelta(milliseconds=1)
"""Around a moment, which Altinn may keep more finely than we do."""
STATE_TRIES = 3
ALREADY_READ, ALREADY_CONFIRMED, CONFIRM_BEFORE_FETCHED = 1040, 1041, 1025
"""Correspondence's codes (`Errors.cs`) for what is done already, and for what must come first."""
LOOK_AGAIN_SECONDS = 900.0
"""How long after the last page of the round of all letters the next one is read at the earliest."""
UNKNOWN_TOKEN = (400, 422)
"""How a continuation token is refused."""
GONE_CODES = (2018, 2019, 2020)
"""Correspondence's codes for an attachment that has been purged or has expired."""


class Connector(contract.Connector):
    """One citizen's letters in Altinn. See README.md for settings and side effects."""

    label = "Altinn"
    scope = Scope.PER_CITIZEN
    required_settings = ("base_url", "maskinporten_url", "client_id", "private_key_file")
    receipts = frozenset({ReceiptKind.CONFIRMED, ReceiptKind.OPENED})
    acts = True
    lists_parties = True
    takes_states = True
    withholds = True

    def __init__(self, settings: Mapping[str, str]) -> None:
        """Raise Misconfigured when a setting is missing or the key cannot be read."""
        super().__init__(settings)
        self.label = settings.get("label") or self.label
        self._http = Http(settings["base_url"])
        self._maskinporten = Http(settings["maskinporten_url"])
        self._machine_tokens = TokenSource(
            self._maskinporten,
            settings["maskinporten_url"],
            settings["client_id"],
            settings["private_key_file"],
        )
        self._tokens = AltinnTokens(self._http, self._machine_tokens)
        self._hosts = Hosts(settings["base_url"], settings.get("action_hosts", ""))
        self._dialog_tokens: dict[str, str] = {}

    def check(self) -> None:
        """Ask Maskinporten for a token of our own; raises what stands in the way."""
        self._machine_tokens.token(SCOPE)

    def fetch(self, account: Account | None, cursor: str | None) -> Iterator[Batch]:
        """Yield one batch for each page of the list, newest page first; only list calls.

        A run that was broken off goes on where it was. When Dialogporten no longer knows that
        place, the run starts over from `since`: what is listed twice is received once. Where
        letters lie there, and that she has opened one, no list by time tells: now and then a run
        reads one page more, in rounds of all letters.
        """
        account = _given(account)
        position = Position.load(cursor)
        if not position.since:
            position = replace(position, looked_at=time.time())  # this run lists them all
        restarted = False
        for _ in range(PAGES_MAX):
            as_of = datetime.now(UTC)
            try:
                page = self._list(account, position.wishes())
            except Refused as refusal:
                if not position.token or restarted or refusal.status not in UNKNOWN_TOKEN:
                    raise
                # The continuation token is no longer known: the same list from its beginning.
                position, restarted = replace(position, target="", token=""), True
                continue
            items = items_of(page)
            position = position.after(page, items)
            letters, unreadable = mapping.read_items(
                reversed(items), account.recipient, account.language
            )
            states = labels.states_of(items, as_of)
            if items:
                yield Batch(letters, unreadable, position.dump(), states=states)
            if not position.token:
                break
        else:
            raise Temporary("the list does not come to an end")
        waits = float(self.settings.get("look_again_seconds") or LOOK_AGAIN_SECONDS)
        if position.since and not 0 <= time.time() - position.looked_at < waits:
            yield from self._look_again(account, replace(position, looked_at=time.time()))

    def _look_again(self, account: Account, position: Position) -> Iterator[Batch]:
        """Yield the next page of all letters, whenever they changed."""
        as_of = datetime.now(UTC)
        wishes = newest_by("createdAt")
        try:
            onward = {"continuationToken": position.window} if position.window else {}
            page = self._list(account, wishes | onward)
        except Refused as refusal:
            if not position.window or refusal.status not in UNKNOWN_TOKEN:
                raise
            page = self._list(account, wishes)
        items = items_of(page)
        token = page.get("continuationToken") if page["hasNextPage"] else ""
        window = token if isinstance(token, str) and token != position.window else ""
        # What cannot be read lies in quarantine since it was listed by its time.
        letters, _ = mapping.read_items(items, account.recipient, account.language)
        if items or position.window:  # a page that has become empty is the round's last
            moved_on = replace(position, window=window).dump()
            yield Batch(letters, (), moved_on, states=labels.states_of(items, as_of))

    def open_letter(self, account: Account, external_id: str) -> IncomingLetter:
        """Open a letter at Altinn: seen, fetched and marked as read there.

        Raises Gone, or NotPermitted when the letter needs a token of level high.
        """
        return self._open(account, external_id, read=True)

    def keep_letter(self, account: Account, external_id: str) -> IncomingLetter:
        """Fetch a letter that she has not opened: seen and fetched at Altinn, not read."""
        return self._open(account, external_id, read=False)

    def _open(self, account: Account, external_id: str, *, read: bool) -> IncomingLetter:
        dialog = self._dialog(external_id, account)
        try:
            if mapping.is_withheld(dialog):
                raise NotPermitted("the letter needs a session of a higher level")
            letter = self._as_listed(account, dialog)
            identifier = mapping.correspondence_id(dialog)
            if not identifier:
                around = self._around(dialog, account, mapping.main_references(dialog).values())
                return self._hosts.offered(
                    mapping.opened_without_correspondence(letter, dialog, around)
                )
            path = f"{CORRESPONDENCES}/{identifier}"
            overview = self._get(path, account)
            around = self._around(dialog, account)
            letter = mapping.opened(letter, dialog, overview, self._text(path, account), around)
        except WrongField as error:
            raise Temporary(f"the opened letter cannot be read: {error}") from None
        if read:
            self._mark_as_read(path, account)
        return self._hosts.offered(letter)

    def thread(self, account: Account, external_id: str) -> Thread:
        """List a dialog's transmissions: no mark is set by that (`SearchTransmissionQuery.cs`).

        Their texts and files take a dialog token, which only the dialog itself has.
        """
        path = f"{DIALOGS}/{_identifier(external_id)}/transmissions"
        listed = self._http.get_json(path, bearer=self._tokens.of(account))
        if not isinstance(listed, list):
            raise Temporary("the transmissions are not the list that was promised")
        around = self._around({"id": external_id}, account, opened=False)
        messages, _ = transmissions.thread({"transmissions": listed}, around)
        return Thread(messages, [mapping.raw_part("transmissions.json", listed)])

    def download(self, account: Account | None, ref: str) -> Iterator[bytes]:
        """Stream an attachment and compare it with the checksum that Altinn declared.

        Raises Gone when Altinn has purged it, Temporary when the checksum differs.
        """
        if ref.startswith(transmissions.REF):
            yield from self._transmitted(_given(account), ref)
            return
        path, _, checksum = ref.partition("#")
        digest = hashlib.md5(usedforsecurity=False)
        try:
            for chunk in self._http.stream(path, bearer=self._tokens.of(_given(account))):
                digest.update(chunk)
                yield chunk
        except NotFound:
            raise Gone("the attachment is no longer at Altinn") from None
        except Refused as refusal:
            if _error_code(refusal) in GONE_CODES:
                raise Gone("the attachment has expired at Altinn") from None
            raise
        if checksum and digest.hexdigest() != checksum:
            raise Temporary("an attachment's checksum is not the one that was declared")

    def send_receipt(self, account: Account | None, receipt: OutgoingReceipt) -> None:
        """Confirm a letter that she has opened, or mark as read one that was kept before she did.

        Altinn keeps the first confirmation, wherever it was given. Raises Gone when Altinn no
        longer has the letter.
        """
        if receipt.kind not in self.receipts:
            raise Misconfigured(f"Altinn takes no receipt of kind {receipt.kind}")
        account = _given(account)
        dialog = self._get(f"{DIALOGS}/{_identifier(receipt.reference)}", account)
        try:
            identifier = mapping.correspondence_id(dialog)
        except WrongField as error:
            raise Temporary(f"the letter to confirm cannot be read: {error}") from None
        if not identifier and receipt.kind is ReceiptKind.OPENED:
            return  # to get the dialog was to see it
        if not identifier:
            raise Gone("the letter has no correspondence to confirm")
        path = f"{CORRESPONDENCES}/{identifier}"
        if receipt.kind is ReceiptKind.OPENED:
            self._get(path, account)  # fetched by that, as it must be first
            self._mark_as_read(path, account)
            return
        if not self._confirm(path, account):
            self._get(path, account)  # fetched by that: she has opened the letter
            self._confirm(path, account)

    def act(self, account: Account, act: OutgoingAct) -> None:
        """Do what a GUI action stands for, with a dialog token fetched for that.

        The host must be Altinn's own or stand in `action_hosts`; no redirect is followed.
        """
        dialog = self._get(f"{DIALOGS}/{_identifier(act.reference)}", account)
        try:
            actions = mapping.acts_of(dialog, act.action)
            token = text(dialog, "dialogToken")
        except WrongField as error:
            raise Temporary(f"the letter with the action cannot be read: {error}") from None
        action = next((each for each in actions if each.agreed() == act.agreed), None)
        if action is None:
            raise ActRefused("changed")
        self._hosts.perform(action, token)

    def parties(self, account: Account) -> Sequence[Party]:
        """List for whom else she may act; no side effect at Altinn."""
        answer = self._http.get_json(PARTIES, bearer=self._tokens.of(account))
        try:
            return mapping.parties(_promised(answer))
        except WrongField as error:
            raise Temporary(f"the parties cannot be read: {error}") from None

    def set_state(self, account: Account, state: OutgoingState) -> LetterState:
        """Set a dialog's system labels, against the revision that we know of.

        Where it is another by now the dialog is read anew, from a list: to get it counts as
        reading. Raises Temporary where it changes faster than that.
        """
        known = state.known
        for _ in range(STATE_TRIES):
            known = known or self._state_now(account, state)
            wanted = replace(
                known,
                place=known.place if state.place is None else state.place,
                unread=known.unread if state.unread is None else state.unread,
            )
            if wanted == known:
                return known
            try:
                answer = self._http.request(
                    "PUT",
                    f"{DIALOGS}/{_identifier(state.reference)}/context/systemlabels",
                    json=labels.changes(state),
                    headers={"If-Match": known.revision},
                    bearer=self._tokens.of(account),
                    accept=(410, 412),
                )
            except NotFound:
                raise Gone("the letter is no longer at Altinn") from None
            if answer.status_code == 410:
                raise Gone("the letter is no longer at Altinn")
            if answer.status_code == 204:
                revision = labels.revision(answer.headers.get("etag", ""))
                return replace(wanted, revision=revision, as_of=datetime.now(UTC))
            if answer.status_code != 412:
                raise Temporary("the answer to a change of labels is not the one that was promised")
            known = None
        raise Temporary("the letter's labels change all the time at Altinn")

    def _state_now(self, account: Account, state: OutgoingState) -> LetterState:
        """Return a dialog's state by a list of what was made at its moment."""
        as_of = datetime.now(UTC)
        moment = {"createdAfter": state.sent_at - INSTANT, "createdBefore": state.sent_at + INSTANT}
        times = {name: at.astimezone(UTC).isoformat() for name, at in moment.items()}
        items = items_of(self._list(account, newest_by("createdAt") | times))
        for each in labels.states_of(items, as_of):
            if each.external_id == state.reference:
                return each
        raise Gone("the letter is no longer listed at Altinn")

    def _dialog(self, external_id: str, account: Account) -> Mapping[str, Any]:
        """Get a dialog, which counts as seeing it; its token is kept for as long as we are."""
        dialog = self._get(f"{DIALOGS}/{_identifier(external_id)}", account)
        token = dialog.get("dialogToken")
        self._dialog_tokens[_identifier(external_id)] = token if isinstance(token, str) else ""
        return dialog

    def _around(
        self,
        dialog: Mapping[str, Any],
        account: Account,
        more: Iterable[str] = (),
        *,
        opened: bool = True,
    ) -> Surroundings:
        """Return what its parts are read by: with the texts that it embeds, when it is `opened`."""
        identifier = _identifier(str(dialog.get("id")))
        addresses = [*more, *transmissions.embedded_addresses(dialog)] if opened else []
        texts: dict[str, Embedded] = {}
        silent: set[str] = set()
        for number, url in enumerate(addresses):
            host = urlsplit(url).netloc
            if number >= TEXTS_MAX or host in silent:
                texts[url] = Embedded(rest=Rest.ON_OPEN if host in silent else Rest.AT_SENDER)
                continue
            texts[url] = self._hosts.text(url, self._dialog_tokens.get(identifier, ""))
            if texts[url].rest is Rest.ON_OPEN:
                silent.add(host)  # not to be waited for with each
        return Surroundings(identifier, account.language, texts, self._hosts.may_be_asked, opened)

    def _transmitted(self, account: Account, ref: str) -> Iterator[bytes]:
        """Stream what came with a dialog, from where it lies, with the dialog's token alone.

        Raises Gone when it is not to be had there, whatever the host says of us.
        """
        identifier, _, url = ref.removeprefix(transmissions.REF).partition(":")
        if not self._hosts.may_be_asked(url):
            raise Gone("the attachment lies where we may not ask")
        if not self._dialog_tokens.get(identifier):
            self._dialog(identifier, account)
        yield from self._hosts.stream(url, self._dialog_tokens[identifier])

    def reread(self, account: Account | None, external_id: str, raw: Sequence[RawPart]) -> Batch:
        """Read a quarantined dialog once more."""
        for part in raw:
            if part.name == "dialog.json":
                given = _given(account)
                letters, unreadable = mapping.read_items(
                    [json.loads(part.content)], given.recipient, given.language
                )
                return Batch(letters, unreadable)
        return Batch(unreadable=[Unreadable(external_id, "the dialog was not kept", raw)])

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()
        self._maskinporten.close()

    def _list(self, account: Account, wishes: Mapping[str, Any]) -> Mapping[str, Any]:
        body = search.asked(mapping.urn(account.recipient), wishes)
        bearer = self._tokens.of(account)
        return search.page(self._http.post_json(search.PATH, json=body, bearer=bearer))

    def _get(self, path: str, account: Account) -> Mapping[str, Any]:
        try:
            answer = self._http.get_json(path, bearer=self._tokens.of(account))
        except NotFound:
            raise Gone("the letter is no longer at Altinn") from None
        return _promised(answer)

    def _text(self, path: str, account: Account) -> str:
        answer = self._http.request("GET", f"{path}/content", bearer=self._tokens.of(account))
        kind = answer.headers.get("content-type", "").partition(";")[0].strip()
        if kind not in ("text/plain", "text/markdown"):
            raise Temporary("the letter's text is not of a type that was promised")
        try:
            return answer.content.decode()
        except UnicodeDecodeError:
            raise Temporary("the letter's text is not UTF-8") from None

    def _mark_as_read(self, path: str, account: Account) -> None:
        try:
            self._http.post(f"{path}/markasread", bearer=self._tokens.of(account))
        except NotFound:
            raise Gone("the letter is no longer at Altinn") from None
        except Refused as refusal:
            if _error_code(refusal) != ALREADY_READ:
                raise

    def _confirm(self, path: str, account: Account) -> bool:
        """Confirm; False when Altinn wants the letter to be fetched first."""
        try:
            self._http.post(f"{path}/confirm", bearer=self._tokens.of(account))
        except NotFound:
            raise Gone("the letter to confirm is no longer at Altinn") from None
        except Refused as refusal:
            if _error_code(refusal) == CONFIRM_BEFORE_FETCHED:
                return False
            if _error_code(refusal) != ALREADY_CONFIRMED:
                raise
        return True

    def _as_listed(self, account: Account, dialog: Mapping[str, Any]) -> IncomingLetter:
        """Map the dialog, with the level that shows only to a token of level 3.

        A token of level high is given every real title, so what it may read tells nothing. The
        list, which has no side effect, says what level 3 is given at the dialog's own time.
        """
        letter = mapping.listed(dialog, account.recipient, account.language)
        if account.security_level < LEVEL_HIGH:
            return letter
        below = replace(account, security_level=LEVEL_SUBSTANTIAL)
        instant = text(dialog, "contentUpdatedAt")
        page = self._list(below, {"contentUpdatedAfter": instant, "contentUpdatedBefore": instant})
        letters, _ = mapping.read_items(items_of(page), account.recipient, account.language)
        for each in letters:
            if each.external_id == letter.external_id:
                public = {version.language: version.public_title for version in each.versions}
                return replace(
                    letter,
                    security_level=each.security_level,
                    public_title=each.public_title,
                    versions=[
                        replace(version, public_title=public.get(version.language, ""))
                        for version in letter.versions
                    ],
                )
        return replace(letter, security_level=LEVEL_HIGH)


def _promised(answer: Any) -> Mapping[str, Any]:
    if not isinstance(answer, dict):
        raise Temporary("the answer is not the object that was promised")
    return answer


def _given(account: Account | None) -> Account:
    if account is None:
        raise Misconfigured("Altinn is asked for one citizen at a time")
    return account


def _identifier(external_id: str) -> str:
    try:
        return str(UUID(external_id))
    except ValueError:
        raise Gone("no letter of Altinn's has this id") from None


def _error_code(refusal: Refused) -> int:
    try:
        code = json.loads(refusal.body)["errorCode"]
        return int(code)
    except (ValueError, KeyError, TypeError):
        return 0
