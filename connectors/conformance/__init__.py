"""The conformance kit: says of a connector, or of an agency's own feed, which rules it keeps.

`python -m connectors.conformance NAME` tries a connector against its simulator; with an address
and `--spec minside` it reads an agency's running feed. The same is a pytest plugin (`plugin.py`).
Docs: `docs/conformance.md`.
"""
