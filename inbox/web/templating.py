"""How templates are rendered: Jinja2, with our texts, addresses and icons at hand.

Jinja2 draws the list four times as fast as Django's own language does, and a page is mostly
template (`make bench`). A name that a view did not give is empty, as there.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils.html import linebreaks
from django.utils.translation import gettext, ngettext
from django_htmx.jinja import htmx_script
from jinja2 import ChainableUndefined, Environment
from markupsafe import Markup

from inbox.web.filters import Filter
from inbox.web.navigation import place_of, separate_places
from inbox.web.paths import address_of


def environment(**options: Any) -> Environment:
    """Return the environment of every template (TEMPLATES in the settings)."""
    options |= {"undefined": ChainableUndefined, "extensions": ["jinja2.ext.i18n"]}
    made = Environment(**options)
    made.policies["ext.i18n.trimmed"] = True
    made.install_gettext_callables(gettext, ngettext, newstyle=True)  # type: ignore[attr-defined]
    made.globals |= {
        # Of a text without variables, which most are, newstyle gettext makes too much.
        "_": gettext,
        "htmx_script": cache(htmx_script),
        "icon": icon,
        "inbox_url": inbox_url,
        "place_of": place_of,
        "separate_places": separate_places,
        "static": cache(static),
        "url": url,
    }
    made.filters["linebreaks"] = lambda text: Markup(linebreaks(text, autoescape=True))
    return made


def url(name: str, *args: object) -> str:
    """Return the address of a view. Raises NoReverseMatch."""
    return reverse(name, args=args) if args else address_of(name)


@cache
def icon(name: str) -> Markup:
    """Return one of our icons as inline SVG, hidden from screen readers.

    Raises TemplateDoesNotExist when there is no icon of that name.
    """
    drawn = render_to_string(f"web/icons/{name}.svg").strip()
    return Markup(drawn.replace("<svg", '<svg class="ico" aria-hidden="true"', 1))


def inbox_url(asked: Filter | None, **filters: str) -> str:
    """Return the address of the list with these filters of `filters.Filter` and no others.

    Who looks at one separate inbox stays in it: the view's `asked` says so.
    """
    return (asked or Filter()).cleared().address(**filters)
