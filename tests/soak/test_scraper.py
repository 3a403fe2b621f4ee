"""What is seen of counters from outside."""

from soak.scraper import EPOCH, Scraper

TOTAL = 'vedette_queries_total{model="m"}'


class Pages:
    """A service whose pages are given."""

    def __init__(self, *pages: dict[str, float]) -> None:
        self._pages = list(pages)

    def page(self) -> dict[str, float]:
        return self._pages.pop(0)


def scraped(*pages: dict[str, float]) -> Scraper:
    scraper = Scraper(Pages(*pages))  # type: ignore[arg-type]
    for _ in pages:
        scraper.scrape()
    return scraper


def test_a_counter_that_goes_on_increases_by_what_it_grew() -> None:
    scraper = scraped({TOTAL: 3.0, EPOCH: 1.0}, {TOTAL: 3.0, EPOCH: 1.0}, {TOTAL: 10.0, EPOCH: 1.0})
    assert (scraper.increase[TOTAL], scraper.lower, scraper.epochs) == (10.0, [], [1.0])


def test_a_counter_that_comes_back_slightly_lower_adds_its_whole_value() -> None:
    scraper = scraped({TOTAL: 10.0, EPOCH: 1.0}, {TOTAL: 9.0, EPOCH: 1.0})
    assert scraper.increase[TOTAL] == 19.0
    assert len(scraper.lower) == 1


def test_a_new_epoch_is_no_lower_value_but_is_seen() -> None:
    scraper = scraped({TOTAL: 10.0, EPOCH: 1.0}, {TOTAL: 2.0, EPOCH: 5.0})
    assert (scraper.increase[TOTAL], scraper.lower, scraper.epochs) == (12.0, [], [1.0, 5.0])


def test_a_page_without_continued_counters_is_no_news() -> None:
    scraper = scraped({TOTAL: 10.0, EPOCH: 1.0}, {"vedette_replay_active": 1.0}, {TOTAL: 11.0, EPOCH: 1.0})
    assert (scraper.increase[TOTAL], scraper.lower) == (11.0, [])
