"""What keeps national identity numbers out of the logs."""

from __future__ import annotations

import logging
import re

ELEVEN_DIGITS = re.compile(r"(?<!\d)\d{6}[ ]?\d{5}(?!\d)")


class Redact(logging.Filter):
    """Replace whatever looks like a national identity number in a log line.

    The last line of defence: code keeps numbers out of messages in the first place.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record's message in place; always let it through."""
        message = record.getMessage()
        clean = ELEVEN_DIGITS.sub("[redacted]", message)
        if clean != message:
            record.msg, record.args = clean, None
        return True
