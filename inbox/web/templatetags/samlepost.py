"""Tags that every template has."""

from __future__ import annotations

from functools import cache
from typing import Any
from urllib.parse import urlencode

from django import template
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@register.simple_tag
@cache
def icon(name: str) -> SafeString:
    """Return one of our icons as inline SVG, hidden from screen readers.

    Raises TemplateDoesNotExist when there is no icon of that name.
    """
    drawn = render_to_string(f"web/icons/{name}.svg").strip()
    return mark_safe(drawn.replace("<svg", '<svg class="ico" aria-hidden="true"', 1))


@register.simple_tag(takes_context=True)
def inbox_url(context: dict[str, Any], **filters: str) -> str:
    """Return the address of the list with these filters.

    Who looks at one channel at a time stays in it: `asked` (`filters.Filters`) says so.
    """
    asked = context.get("asked")
    kept = {"view": "separate", "source": asked.source} if asked and asked.separate else {}
    said = {name: value for name, value in (kept | filters).items() if value}
    return f"{reverse('inbox')}?{urlencode(said)}" if said else reverse("inbox")
