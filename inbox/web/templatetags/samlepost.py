"""Tags that every template has."""

from __future__ import annotations

from functools import cache

from django import template
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@register.simple_tag
@cache
def icon(name: str) -> SafeString:
    """Return one of our icons as inline SVG, hidden from screen readers."""
    drawn = render_to_string(f"web/icons/{name}.svg").strip()
    return mark_safe(drawn.replace("<svg", '<svg class="ico" aria-hidden="true"', 1))
