"""For test suites of others: citizens, letters and logged-in clients of a real Samlepost.

Installed with the package, found by pytest (`plugin.py`). Needs our apps and our user model;
`settings.py` has everything for a project that is made for tests. Docs: `docs/testing.md`.
Simulators and the conformance kit, without Django: `connectors.testing`.
"""
