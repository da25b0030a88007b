"""A witness of transparency logs: signs that a log has only grown. See README.md."""
