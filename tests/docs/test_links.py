"""Links between the pages lead somewhere, and every page is reached from the README."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def links(page):
    return [link for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()) if "://" not in link]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_its_links_lead_to_files(page):
    assert [link for link in links(page) if not (page.parent / link).exists()] == []


def test_every_page_is_reached_from_the_readme():
    reached, todo = set(), [PAGES[0]]
    while todo:
        page = todo.pop()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            todo += [(page.parent / link).resolve() for link in links(page)]
    assert set(PAGES) - reached == set()
