"""The page of metrics is the program's own table."""

from tools.metrics_page import PAGE, page


def test_the_page_is_written_from_the_table():
    assert PAGE.read_text() == page()
