"""Where the demo's notifications arrive."""

import socket
import struct
import threading

import pytest

from exporter.demo.sinks import WebSink

RESET = struct.pack("ii", 1, 0)


def test_a_sender_that_goes_away_in_mid_request_is_nothing_to_tell(capsys: pytest.CaptureFixture[str]) -> None:
    sink = WebSink()
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
