"""KS SvarUt: letters of municipalities, fetched as a receiving system for persons (SvarInn)."""
