"""What agencies' own systems ask: JSON over HTTP, by key."""
