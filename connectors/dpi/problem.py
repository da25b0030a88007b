"""How the simulated access point says no."""

from __future__ import annotations

from flask import Response, jsonify


def problem(status: int, detail: str) -> Response:
    """Return an error as RFC 7807 has it."""
    answer = jsonify(type="about:blank", title=detail, status=status, detail=detail)
    answer.status_code = status
    answer.content_type = "application/problem+json"
    return answer
