"""KRR, the common contact and reservation register: see README.md."""
