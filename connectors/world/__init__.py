"""The made-up world of the demo: persons, senders, letters and their documents.

Nothing here is real: every person has a synthetic identity number (month + 80), and every
letter is written for the demo. The same seed gives the same letters and the same bytes.
"""
