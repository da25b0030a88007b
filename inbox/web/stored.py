"""What Samlepost keeps about a citizen, in words for her: the privacy page's list.

Every table with a row of hers is named here; a test compares the list with the models.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _


@dataclass(frozen=True, slots=True)
class Stored:
    """One kind of data about her."""

    title: str
    holds: str
    """What it is."""
    until: str
    """When it goes away."""
    seen_by: str
    models: tuple[str, ...] = ()
    """The tables in which it lies, as Django labels them."""


def stored() -> list[Stored]:
    """Return all that is kept, in the language of the page."""
    account = _("Until you close your account.")
    with_letter = _("As long as the letter.")
    you = _("You.")
    return [
        Stored(
            _("You"),
            _(
                "Your name, e-mail address for notifications, language and whether you have chosen"
                " it, when you got your inbox and"
                " put away the welcome, your national identity number, and the addresses that your"
                " digital mailbox has and has had, with their suppliers. Number and addresses are"
                " encrypted."
            ),
            account,
            you,
            ("citizens.Citizen", "citizens.Identifier"),
        ),
        Stored(
            _("Contact details"),
            _(
                "What the contact and reservation register says of you: e-mail address, mobile"
                " number, when you confirmed them, reservation, language and the supplier of your"
                " digital mailbox; and when we asked. It is replaced each time we ask."
            ),
            account,
            _("You. Those who run Samlepost see how many persons a fault hits, not whose."),
            ("citizens.ContactDetails",),
        ),
        Stored(
            _("Your sources"),
            _(
                "Which sources are connected, how far we have read there, when that last worked,"
                " and since when you let us fetch copies before letters disappear."
            ),
            account,
            _("You. Those who run Samlepost see how many inboxes a fault hits, not whose."),
            ("sync.Mailbox",),
        ),
        Stored(
            _("Whom you act for"),
            _(
                "Which enterprises you have a key role in, as Altinn says, since when, and how many"
                " persons it names besides, not who they are; and when we asked. The enterprise's"
                " mail is kept apart from yours."
            ),
            _("Until you close your account."),
            _("You. Others who act for the enterprise see what you open of its mail."),
            ("sync.PartyList",),
        ),
        Stored(
            _("Your work"),
            _(
                "For which agencies you may use the agencies' portal, which keys of theirs you have"
                " made, and which letters you have sent and tests you have run for them. The agency"
                " sees nothing of your own mail."
            ),
            _("Until your agency takes you off, or you close your account."),
            _("You. Those who run Samlepost."),
            (
                "agencies.Employee",
                "agencies.Key",
                "agencies.Dispatch",
                "agencies.ConformanceRun",
            ),
        ),
        Stored(
            _("Your letters"),
            _(
                "Sender, titles, text, dates, deadlines, case number, where each letter came"
                " from and how it lies in the inbox there. We count your letters to show the"
                " numbers in the menu."
            ),
            _("Until you delete the letter or close your account. Never because time has passed."),
            you,
            (
                "letters.Letter",
                "letters.Case",
                "letters.Delivery",
                "letters.Correction",
                "letters.DeliveryKey",
                "letters.SourceState",
                "letters.FormerLetter",
                "letters.Document",
                "citizens.InboxState",
            ),
        ),
        Stored(
            _("Documents and what arrived with them"),
            _(
                "Every file as it arrived, or as you put it in, with its digest, in the archive;"
                " its text for search, and the PDFs that we have made of what came as text."
            ),
            with_letter,
            you,
            (
                "archive.Package",
                "archive.Blob",
                "letters.DocumentText",
                "letters.AccessCopy",
                "letters.LetterSearch",
            ),
        ),
        Stored(
            _("What you have put away or deleted"),
            _(
                "Your latest moves to archive and bin, so that you can undo them. Of a letter"
                " that is deleted for good, or that you have sent to your mailbox: its source and"
                " number there, so that it does not come back."
            ),
            account,
            you,
            ("letters.Filing", "letters.Tombstone"),
        ),
        Stored(
            _("Your own folders"),
            _("Their names and colours, and which letters are in them."),
            account,
            you,
            ("letters.Folder", "letters.Placement"),
        ),
        Stored(
            _("Your saved searches"),
            _("Their names, and the words and filters that you searched with."),
            _("Until you delete them or close your account."),
            you,
            ("letters.SavedSearch",),
        ),
        Stored(
            _("Copies of your letters"),
            _(
                "That you have asked for a copy of your letters, of which of them, and the copy,"
                " encrypted."
            ),
            _("24 hours after it is ready, or until you delete it."),
            you,
            ("letters.Export",),
        ),
        Stored(
            _("Copies that you bring in"),
            _("The file, encrypted, and how far we have come with it."),
            _("The file until it is taken in or refused, what came of it for 24 hours more."),
            you,
            ("letters.Import",),
        ),
        Stored(
            _("Your answers"),
            _("What you have written to senders, drafts and files with it, and when it was sent."),
            _(
                "As long as the letter. Agencies that send letters from Samlepost keep answers"
                " here."
            ),
            _("You, and the sender of the letter once you have sent it."),
            ("letters.Reply",),
        ),
        Stored(
            _("Life events"),
            _(
                "Which letters we suggest for a life event and by which rule, and which of them"
                " you have accepted or rejected."
            ),
            with_letter,
            you,
            ("letters.LifeEventLetter",),
        ),
        Stored(
            _("What has happened"),
            _("When a letter came, who opened it and when, and what the sender was told."),
            _(
                "As long as the letter. The sender keeps proof of its delivery: its own reference"
                " and when the letter came, was announced and was answered, without your name."
            ),
            _("You. The sender learns what the receipts say."),
            ("letters.Event", "sync.OutboundReceipt", "sync.Retrieval"),
        ),
        Stored(
            _("Who may see your mail, and who has seen it"),
            _(
                "Whom you gave access, how far and how long, which letters you sent on by a link"
                " (not the link itself), and each time somebody opened, downloaded or searched,"
                " yourself included."
            ),
            _("Until you close your account. A parent's access is erased when the child is 18."),
            _("You. Who had access sees what they opened themselves."),
            ("citizens.Representation", "letters.Access", "letters.Forwarding"),
        ),
        Stored(
            _("Letters that you have sent to your own mailbox"),
            _("Which letter, to which mailbox, when, and the supplier's receipt or refusal."),
            with_letter,
            _("You, and the supplier of your mailbox, which gets the letter from us."),
            ("sync.Handover",),
        ),
        Stored(
            _("Pages that show how many new letters you have"),
            _("Which agencies' pages you have agreed to, and since when."),
            _("Until you take it back or close your account."),
            _("You. The agency cannot read what the panel shows, nor who you are here."),
            ("citizens.PanelConsent",),
        ),
        Stored(
            _("Notifications"),
            _(
                "When we told you of a letter, or that somebody asks you to see mail for them, and"
                " whether the e-mail could be sent."
            ),
            _("As long as the letter. The latter until you or they close the account."),
            _("You. Your e-mail supplier sees that we have written, never what a letter says."),
            (
                "notifications.Notification",
                "notifications.InvitationNotice",
                "notifications.OutboxEmail",
            ),
        ),
        Stored(
            _("Letters that we could not read"),
            _(
                "What arrived for you and could not be read, kept whole, and what its sender was"
                " told; letters put aside while you had disconnected their source; and letters that"
                " came before we knew that their address is yours, with the address as a one-way"
                " code."
            ),
            _("Until it can be read, or you close your account."),
            _(
                "Those who run Samlepost see what they need to mend the fault. They do not see"
                " letters that were put aside."
            ),
            ("sync.Quarantined",),
        ),
        Stored(
            _("Your session"),
            _(
                "That you are logged in, at which level, and ID-porten's proof of it, encrypted. In"
                " the browser: cookies for the session, protection of forms, language and"
                " appearance. If you let an agency's pages show how many new letters you have: one"
                " more for that panel, which the agency cannot read."
            ),
            _("Until you log out, at most two hours. Language and appearance are kept for a year."),
            _("Nobody. Logs hold addresses of pages and times, never names or identity numbers."),
        ),
    ]
