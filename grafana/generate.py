"""Writes the dashboards: `python -m grafana.generate`. The JSON is committed, so that nobody needs this to use them."""

import json
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.anomalies import anomalies
from grafana.clients import clients
from grafana.health import health
from grafana.model import model
from grafana.overview import overview

FOLDER = Path(__file__).parent / "dashboards"


def rendered() -> dict[Path, str]:
    """The text of every dashboard's file."""
    built = (overview(), model(), health(), clients(), anomalies())
    return {
        FOLDER / f"{board.uid}.json": json.dumps(board, cls=JSONEncoder, sort_keys=True, indent=2) + "\n"
        for board in built
    }


def main() -> None:
    """Write the files."""
    for path, text in rendered().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
