"""Where the demo's notifications arrive."""

import smtplib
import socket
import struct
import threading
from email.message import EmailMessage

import pytest
import requests

from exporter.demo.sinks import PAGES, MailSink, Request, WebSink

RESET = struct.pack("ii", 1, 0)


def test_what_is_posted_is_handed_on_and_answered_as_its_receiver_would() -> None:
    posted: list[Request] = []
    sink = WebSink(posted.append)
    answer = requests.post(sink.url + PAGES, json={"payload": {}}, timeout=10)
    assert (answer.status_code, answer.json()["status"]) == (202, "success")
    answer = requests.post(sink.url + "/slack", json={"text": "it attacks"}, headers={"X-Token": "t"}, timeout=10)
    assert (answer.status_code, answer.text) == (200, "ok")
    sink.stop()
    assert [(one.path, one.body) for one in posted] == [(PAGES, {"payload": {}}), ("/slack", {"text": "it attacks"})]
    assert posted[1].headers["X-Token"] == "t"


def test_a_mail_is_handed_on_with_the_password_it_was_sent_with(
    free_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    mails: list[EmailMessage] = []
    sink = MailSink(mails.append, free_port)
    letter = EmailMessage()
    letter["To"], letter["Subject"] = "ml@example.com", "drift"
    letter.set_content("the words")
    with smtplib.SMTP("127.0.0.1", free_port, timeout=30) as sender:
        sender.login("vedette", "secret")
        sender.send_message(letter, "vedette@example.com")
    sink.stop()
    assert sink.logins == [(b"vedette", b"secret")]
    assert [(mail["To"], mail["Subject"], mail.get_content()) for mail in mails] == [
        ("ml@example.com", "drift", "the words\r\n")
    ]
    assert caplog.text == ""


def test_a_sender_that_goes_away_in_mid_request_is_nothing_to_tell(capsys: pytest.CaptureFixture[str]) -> None:
    sink = WebSink(lambda request: None)
    before = set(threading.enumerate())
    host, port = sink.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as sender:
        while not (answering := [thread for thread in set(threading.enumerate()) - before if thread.is_alive()]):
            pass
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        sender.sendall(b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n")
    for thread in answering:
        thread.join(10)
    sink.stop()
    assert capsys.readouterr().err == ""
