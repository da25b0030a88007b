"""`make bench`: pages, ingest and archive against their yardsticks, printed as ratios, and
how well search finds.

On SQLite by default; on PostgreSQL with BENCH_DATABASE_URL (databases bench_small and
bench_large are made there). BENCH_LARGE sets the size of the large one (default 1,000,000).
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from bench import pages
from bench.rounds import spin


def main() -> int:
    """Run all; returns the exit code."""
    folder = Path(tempfile.mkdtemp(prefix="samlepost-bench-"))
    before = spin()
    print(f"machine: {before:.0f} M loop steps a second; data in {folder}")
    large = int(os.environ.get("BENCH_LARGE", "1000000"))
    pages.report(folder, small=10_000, large=large)
    pages.child(folder, "archive", [sys.executable, "-m", "bench.archive"])
    pages.child(folder, "proof", [sys.executable, "-m", "bench.proof"])
    pages.child(folder, "search", [sys.executable, "-m", "bench.search_quality"])
    pages.child(folder, "search_speed", [sys.executable, "-m", "bench.search_speed"])
    pages.child(folder, "ingest", [sys.executable, "-m", "bench.ingest"])
    pages.child(folder, "lighthouse", [sys.executable, "-m", "bench.lighthouse"])
    after = spin()
    print(f"machine: {after:.0f} M loop steps a second afterwards")
    if abs(after - before) > 0.2 * before:
        print("The machine changed speed by more than a fifth: ratios hold, times do not.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
