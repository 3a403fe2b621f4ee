import logging


def set_up_logging(level: str, form: str) -> None:
    logging.basicConfig(level=level.upper().replace("WARN", "WARNING"))
