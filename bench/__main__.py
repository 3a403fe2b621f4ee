"""`make bench`: every measurement as one table."""

import os
import platform

from bench import benign, client, drift, evidence, exposition, history, http, library, memory, series, traces


def main() -> None:
    """Measure and print; takes a few minutes."""
    library.unpin()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, BLAS: {library.blas()}")
    print("CPU time of the process; the limit is measured in the same run\n")
    table = [("work", "measured", "limit", "target", "")]
    for rows in (
        library.rows,
        http.push_rows,
        http.detect_rows,
        http.sample_rows,
        exposition.rows,
        history.rows,
        client.rows,
        memory.rows,
        drift.rows,
        evidence.rows,
        benign.rows,
        traces.rows,
        series.rows,
    ):
        table += [row.cells() for row in rows()]
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


if __name__ == "__main__":
    main()
