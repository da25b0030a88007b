"""The hand on the made-up world: sends letters, breaks sources, sets the clock, resets persons."""
