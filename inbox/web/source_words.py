"""What is wrong with a source, in words for those who can mend it."""

from __future__ import annotations

from django.utils.translation import gettext as _


def failure_words(failure: str) -> str:
    """Return the contract's word for a failure in the language of the page."""
    words = {
        "temporary": _("Does not answer as it should"),
        "untrustworthy": _("Its answer cannot be trusted"),
        "unreadable": _("What it says cannot be read"),
        "unanswered": _("Leaves them out of its answer"),
        "notfound": _("Does not answer as it should"),
        "ratelimited": _("Asks us to wait"),
        "notpermitted": _("Does not let us fetch"),
        "misconfigured": _("Our set-up is wrong"),
    }
    return words.get(failure, _("Fault in Samlepost"))
