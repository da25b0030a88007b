"""Tags that every template has."""

from __future__ import annotations

from functools import cache
from typing import Any

from django import template
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe

from inbox.web.filters import Filter

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
    """Return the address of the list with these filters of `filters.Filter` and no others.

    Who looks at one separate inbox stays in it: the view's `asked` says so.
    """
    asked = context.get("asked") or Filter()
    return asked.cleared().address(**filters)
