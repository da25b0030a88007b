"""A simulated ID-porten: the OpenID provider that citizens log in with."""
