"""Alertmanager: what it sends to the webhook, what it holds, and silences. It is the truth about alerts."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from exporter.history.rows import Alert

TIMEOUT_SECONDS = 10
#: the end of the year 9999, in seconds since 1970
LAST_TIME = 253_402_300_800
#: alerts of this project, without those that always fire
OURS = ('alertname=~"Vedette.+"', 'severity!="none"')
EVERY: tuple[str, ...] = ()


class Unreachable(Exception):
    """Alertmanager did not answer, or not as expected; the text says how."""


class _Told(msgspec.Struct, frozen=True):
    """An alert in the body of a webhook. endsAt is the year 1 while it fires."""

    fingerprint: str
    startsAt: datetime  # noqa: N815
    endsAt: datetime  # noqa: N815
    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str] = {}

    def __post_init__(self) -> None:
        for name, time in (("startsAt", self.startsAt), ("endsAt", self.endsAt)):
            if not _is_shown(time) and (name == "startsAt" or self.status == "resolved"):
                raise ValueError(f"{name}: expected a time from 1970 to 9999")


class _Body(msgspec.Struct):
    alerts: list[Any]


class _Held(msgspec.Struct, frozen=True):
    """An alert as the interface lists it: all that it lists fires."""

    fingerprint: str
    startsAt: datetime  # noqa: N815
    labels: dict[str, str]
    annotations: dict[str, str] = {}


def read_webhook(body: bytes, now: float) -> tuple[list[Alert], list[tuple[int, str]]]:
    """The alerts in the body of a webhook, and the position and reason of each that is none.

    Raises BROKEN of exporter.formats.native where the body as a whole is none.
    """
    alerts, refused = [], []
    for index, entry in enumerate(_bodies.decode(body).alerts):
        try:
            told = msgspec.convert(entry, _Told)
        except msgspec.ValidationError as error:
            refused.append((index, str(error)))
            continue
        over = told.status == "resolved"
        alerts.append(_alert(told, now, ends_at=told.endsAt.timestamp() if over else None, firing=not over))
    return alerts, refused


def _alert(told: _Told | _Held, now: float, ends_at: float | None, firing: bool) -> Alert:
    label = told.labels.get
    # to the millisecond: the interface lists no finer times than that
    starts_at = int(told.startsAt.timestamp() * 1000) / 1000
    return Alert(
        time=now,
        model=label("model", ""),
        fingerprint=told.fingerprint,
        starts_at=starts_at,
        ends_at=ends_at,
        firing=firing,
        alertname=label("alertname", ""),
        severity=label("severity", ""),
        category=label("category", ""),
        labels=told.labels,
        annotations=told.annotations,
    )


class Alertmanager:
    """Its interface, version 2. credentials_file: of a bearer token, read for each request."""

    def __init__(self, url: str, credentials_file: str | None = None) -> None:
        self.url, self._credentials_file = url.rstrip("/"), credentials_file

    def alerts(self, now: float, filters: Sequence[str] = OURS) -> list[Alert]:
        """What it holds, silenced and inhibited alerts included. Raises Unreachable."""
        listed = self._ask("GET", "/api/v2/alerts", {"filter": list(filters)})
        try:
            held = msgspec.convert(listed, list[_Held], strict=False)
        except msgspec.ValidationError as error:
            raise Unreachable(f"{self.url}: no alerts: {error}") from None
        return [_alert(one, now, ends_at=None, firing=True) for one in held if _is_shown(one.startsAt)]

    def silence(
        self, labels: Mapping[str, str], begins: float, ends: float, by: str, comment: str, silence_id: str | None
    ) -> str:
        """Silence what has exactly these labels; the id of the silence. silence_id: one to replace."""
        matchers = [{"name": name, "value": value, "isRegex": False, "isEqual": True} for name, value in labels.items()]
        asked = {
            "matchers": matchers,
            "startsAt": _written(begins),
            "endsAt": _written(ends),
            "createdBy": by or "vedette",
            "comment": comment,
        }
        if silence_id is not None:
            asked["id"] = silence_id
        return str(self._ask("POST", "/api/v2/silences", json=asked)["silenceID"])

    def expire(self, silence_id: str) -> None:
        """End a silence; one that is gone is fine. Raises Unreachable."""
        self._ask("DELETE", f"/api/v2/silence/{silence_id}", missing_is_fine=True)

    def _ask(self, method: str, path: str, params: Any = None, json: Any = None, missing_is_fine: bool = False) -> Any:
        import requests  # takes its time, and many have no Alertmanager

        headers = {}
        try:
            if self._credentials_file is not None:
                headers["Authorization"] = f"Bearer {Path(self._credentials_file).read_text().strip()}"
            answer = requests.request(
                method, self.url + path, params=params, json=json, headers=headers, timeout=TIMEOUT_SECONDS
            )
            if missing_is_fine and answer.status_code == 404:
                return None
            answer.raise_for_status()
            return answer.json() if answer.content else None
        except (requests.RequestException, ValueError, OSError, RecursionError) as error:
            raise Unreachable(f"{self.url}: {type(error).__name__}") from None


def is_ours(alertname: str, severity: str) -> bool:
    """Whether OURS asks for such an alert."""
    return alertname.startswith("Vedette") and alertname != "Vedette" and severity != "none"


def _is_shown(time: datetime) -> bool:
    """Whether a time can be written in UTC; the year 1 stands for none."""
    return 0 <= time.timestamp() < LAST_TIME


def _written(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


_bodies = msgspec.json.Decoder(_Body)
