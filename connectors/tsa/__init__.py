"""A time-stamping authority (RFC 3161), simulated."""
