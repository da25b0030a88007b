"""What keeps national identity numbers out of the logs."""

from __future__ import annotations

import logging
import re

UUID = r"(?<![0-9a-f])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-f])"
ELEVEN_DIGITS = r"(?<!\d)\d{6}[ ]?\d{5}(?!\d)"
FOUND = re.compile(f"({UUID})|{ELEVEN_DIGITS}")


class Redact(logging.Filter):
    """Replace whatever looks like a national identity number in a log line.

    The last line of defence: code keeps numbers out of messages in the first place. An id of ours
    stays whole: one in 250 has eleven digits together, and what is damaged is found by it.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record's message in place; always let it through."""
        message = record.getMessage()
        clean = FOUND.sub(lambda found: found[1] or "[redacted]", message)
        if clean != message:
            record.msg, record.args = clean, None
        return True
