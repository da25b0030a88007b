"""What leaves the archive for its owner: a BagIt bag (RFC 8493) that can be checked without us."""
