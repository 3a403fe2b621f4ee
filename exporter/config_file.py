from exporter.config import Config, Defaults, DetectorConfig


class ConfigError(Exception): ...


def load(path: str | None) -> Config:
    return Config(defaults=Defaults(detectors=(DetectorConfig(name="confidence", options={"threshold": 0.8}),)))
