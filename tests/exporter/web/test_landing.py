"""The landing page."""

import json
import re
import shlex
from html import unescape
from typing import Any

from exporter.web.landing import landing_page
from tests.exporter.conftest import Exporter


def test_every_link_leads_somewhere(serve: Any) -> None:
    exporter: Exporter = serve()
    links = re.findall(r'<a href="([^"]+)"', exporter.get("/").text)
    assert {"/metrics", "/docs", "/-/healthy", "/-/ready"} <= set(links)
    assert {link: exporter.get(link).status_code for link in links} == dict.fromkeys(links, 200)


def test_a_path_from_the_command_line_cannot_write_html() -> None:
    page = landing_page('/"><script>')
    assert "<script>" not in page
    assert "/&quot;&gt;&lt;script&gt;" in page


def test_the_example_is_taken(serve: Any) -> None:
    exporter: Exporter = serve()
    [example] = re.findall(r"<pre>(.*?)</pre>", exporter.get("/").text, re.DOTALL)
    command = shlex.split(unescape(example))
    body = command[command.index("-d") + 1]
    assert exporter.push(body).json() == {"accepted": 1, "duplicates": 0, "rejected": []}
    assert json.loads(body)["client"]
