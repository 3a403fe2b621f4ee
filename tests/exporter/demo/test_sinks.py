"""Where the demo's notifications arrive."""

import socket
import struct
import threading

import pytest
import requests

from exporter.demo.sinks import PAGES, WebSink

RESET = struct.pack("ii", 1, 0)


def test_pages_are_handed_on_and_everything_else_is_only_taken() -> None:
    pages: list[tuple[str, str]] = []
    sink = WebSink(lambda summary, text: pages.append((summary, text)))
    page = {"payload": {"summary": "it attacks", "custom_details": {"firing": "", "resolved": "over"}}}
    assert requests.post(sink.url + PAGES, json=page, timeout=10).status_code == 200
    assert requests.post(sink.url + "/slack", json={}, timeout=10).status_code == 200
    sink.stop()
    assert pages == [("it attacks", "over")]


def test_a_sender_that_goes_away_in_mid_request_is_nothing_to_tell(capsys: pytest.CaptureFixture[str]) -> None:
    sink = WebSink(lambda summary, text: None)
    before = set(threading.enumerate())
    host, port = sink.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as sender:
        while not (answering := [thread for thread in set(threading.enumerate()) - before if thread.is_alive()]):
            pass
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        sender.sendall(b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n")
    for thread in answering:
        thread.join(10)
    sink.stop()
    assert capsys.readouterr().err == ""
