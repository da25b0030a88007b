"""Maskinporten: machine tokens by JWT grant, and a simulator of it."""
