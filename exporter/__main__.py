"""The command line."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from exporter.commands import Failure, Usage
from exporter.commands.span import add_span
from exporter.version import VERSION

DEFAULT_ADDRESS = "127.0.0.1:10833"
_DEFAULT = "default: %(default)s"


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command. Exits 0 when it went fine, 1 when it failed, 2 on wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
        sys.stdout.flush()
    except Failure as failure:
        print(failure if failure.says_where else f"vedette: {failure}", file=sys.stderr)
        sys.exit(2 if isinstance(failure, Usage) else 1)
    except BrokenPipeError:  # whoever read the output has gone, as `head` does; Python would complain at its exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(1)
    sys.exit(0)


class _Parser(argparse.ArgumentParser):
    """Tells what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="vedette", description="Judges the queries that reach ML models.")
    parser.add_argument("--version", action="version", version=f"vedette {VERSION}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    serve = _command(commands, "serve", "run the exporter", _serve)
    serve.add_argument("--config.check", dest="check", action="store_true", help="check the configuration and exit")
    serve.add_argument(
        "--web.listen-address",
        dest="address",
        default=DEFAULT_ADDRESS,
        type=_address,
        metavar="HOST:PORT",
        help="without a host: every interface; default: %(default)s",
    )
    serve.add_argument(
        "--web.telemetry-path", dest="telemetry_path", default="/metrics", type=_path, metavar="PATH", help=_DEFAULT
    )
    _web_config_file(serve)
    serve.add_argument("--web.enable-lifecycle", dest="lifecycle", action="store_true", help="allow /-/reload")
    serve.add_argument(
        "--log.level", dest="log_level", default="info", choices=("debug", "info", "warn", "error"), help=_DEFAULT
    )
    serve.add_argument("--log.format", dest="log_format", default="logfmt", choices=("logfmt", "json"), help=_DEFAULT)
    _web_config_file(_command(commands, "check", "check the configuration and exit", _check))
    health = _command(commands, "healthcheck", "ask a running exporter whether it is well", _healthcheck)
    health.add_argument("--url", default=f"http://{DEFAULT_ADDRESS}", help="the exporter; default: %(default)s")
    health.add_argument("--key-file", default=None, help="file with a key of the scope read, where access.health asks")
    alert = _command(commands, "test-alert", "send one synthetic alert to every receiver", _test_alert)
    alert.add_argument(
        "--alertmanager-url", default=None, help="default: external.alertmanager_url, else http://localhost:9093"
    )
    _add_keys(commands)
    _add_client(commands)
    replay = _command(commands, "replay", "judge a log: which clients and alerts would have fired", _replay)
    replay.add_argument("--warm-up", metavar="FILE", help="queries that only teach what is natural; default: the first")
    replay.add_argument("--json", action="store_true", help="one JSON object a query instead of the tables")
    replay.add_argument("files", nargs="+", metavar="FILE", help="native events, one a line, gzip or not; - is stdin")
    backtest = _command(commands, "backtest", "judge a recorded series as if it were live", _backtest)
    backtest.add_argument(
        "file", metavar="FILE.csv", nargs="?", help="a heading, then timestamp,value: one point a line"
    )
    backtest.add_argument("--expr", metavar="PROMQL", help="instead of a file: read it from anomalies.prometheus")
    add_span(backtest, "of --expr: ")
    backtest.add_argument("--step", type=_duration, metavar="1m", help="of --expr; default: 1m")
    backtest.add_argument("--plot", metavar="OUT.png", help="draw value, band and incidents (needs matplotlib)")
    _add_anomalies(commands)
    demo = _command(commands, "demo", "exporter, Prometheus, Alertmanager and traffic with an attack in it", _demo)
    demo.add_argument("--traffic-only", action="store_true", help="only send the traffic, to --url")
    demo.add_argument("--url", default=f"http://{DEFAULT_ADDRESS}", help="the exporter; default: %(default)s")
    demo.add_argument("--seconds", type=float, default=None, help="stop after so long; default: when interrupted")
    return parser


def _command(
    commands: Any, name: str, text: str, run: Callable[[argparse.Namespace], None], unset: str | None = None
) -> argparse.ArgumentParser:
    """A command. unset: what `config_file` is without the option; an action leaves what stands before it."""
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    command.add_argument(
        "--config",
        "--config.file",
        dest="config_file",
        metavar="FILE",
        default=unset,
        help="default: none, all defaults",
    )
    command.set_defaults(run=run)
    return command


def _web_config_file(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--web.config.file", dest="web_config_file", metavar="FILE", help="TLS, passwords, headers; default: none"
    )


def _add_keys(commands: Any) -> None:
    keys = _command(commands, "keys", "make, list and revoke API keys", _keys_list)
    actions = keys.add_subparsers(title="actions", required=True, metavar="ACTION")
    create = _command(actions, "create", "make a key and print it, once", _keys_create, argparse.SUPPRESS)
    create.add_argument("--scope", required=True, choices=("push", "read", "admin"), help="what it may do")
    create.add_argument("--models", metavar="A,B", help="models that it may name; default: all")
    create.add_argument("--expires", type=_duration, metavar="90d", help="default: never")
    create.add_argument("--name", default="", help="for people")
    _command(actions, "list", "show the keys there are", _keys_list, argparse.SUPPRESS)
    revoke = _command(actions, "revoke", "revoke a key for good", _keys_revoke, argparse.SUPPRESS)
    revoke.add_argument("id", metavar="ID", help="as `vedette keys list` shows it")


def _add_client(commands: Any) -> None:
    client = _command(
        commands, "client", "see suspicious clients of a running exporter, and dismiss alarms", _client_list
    )
    actions = client.add_subparsers(title="actions", required=True, metavar="ACTION")
    listed = _command(actions, "list", "the clients of at least a level", _client_list, argparse.SUPPRESS)
    listed.add_argument("--level", default="watch", choices=("ok", "watch", "alarm", "severe"), help=_DEFAULT)
    shown = _command(
        actions, "show", "one client, the evidence on it, and how to block it", _client_show, argparse.SUPPRESS
    )
    dismissed = _command(actions, "dismiss", "take back a false alarm", _client_dismiss, argparse.SUPPRESS)
    for action in (shown, dismissed):
        action.add_argument("client", metavar="CLIENT", help="as the alert shows it")
    for action in (listed, shown, dismissed):
        action.add_argument("--model", help="default: all models")
        action.add_argument("--url", default=f"http://{DEFAULT_ADDRESS}", help="the exporter; default: %(default)s")
        action.add_argument("--key-file", metavar="FILE", help="holds an API key, where access is closed")


def _add_anomalies(commands: Any) -> None:
    anomalies = _command(commands, "anomalies", "try learned queries out", _anomalies_replay)
    actions = anomalies.add_subparsers(title="actions", required=True, metavar="ACTION")
    replay = _command(actions, "replay", "list what would have been found", _anomalies_replay, argparse.SUPPRESS)
    add_span(replay)
    replay.add_argument("--query", metavar="NAME", help="only this one; default: all")
    replay.add_argument("--json", action="store_true", help="one JSON object an incident")


def _duration(text: str) -> float:
    """Seconds from a text such as 90d. Raises what argparse expects."""
    from exporter.config.units import duration

    try:
        if seconds := float(duration(text)):
            return seconds
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is no duration such as 90d or 12h")


def _address(text: str) -> tuple[str, int]:
    """HOST:PORT; an empty host is every interface. Raises what argparse expects."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST:PORT")
    return host.strip("[]") or "0.0.0.0", int(port)


def _path(text: str) -> str:
    """A path of a URL. Raises what argparse expects."""
    if not text.startswith("/"):
        raise argparse.ArgumentTypeError(f"{text!r} is no path: it begins with a slash")
    return text


def _serve(options: argparse.Namespace) -> None:
    from exporter.commands.serve import serve

    serve(options)


def _check(options: argparse.Namespace) -> None:
    from exporter.commands.check import check

    check(options)


def _healthcheck(options: argparse.Namespace) -> None:
    from exporter.commands.healthcheck import healthcheck

    healthcheck(options)


def _test_alert(options: argparse.Namespace) -> None:
    from exporter.commands.test_alert import test_alert

    test_alert(options)


def _keys_create(options: argparse.Namespace) -> None:
    from exporter.commands.keys import create

    create(options)


def _keys_list(options: argparse.Namespace) -> None:
    from exporter.commands.keys import show

    show(options)


def _keys_revoke(options: argparse.Namespace) -> None:
    from exporter.commands.keys import revoke

    revoke(options)


def _client_list(options: argparse.Namespace) -> None:
    from exporter.commands.client import show_all

    show_all(options)


def _client_show(options: argparse.Namespace) -> None:
    from exporter.commands.client import show

    show(options)


def _client_dismiss(options: argparse.Namespace) -> None:
    from exporter.commands.client import dismiss

    dismiss(options)


def _replay(options: argparse.Namespace) -> None:
    from exporter.commands.replay import replay

    replay(options)


def _backtest(options: argparse.Namespace) -> None:
    from exporter.commands.backtest import backtest

    backtest(options)


def _anomalies_replay(options: argparse.Namespace) -> None:
    from exporter.commands.anomalies import replay

    replay(options)


def _demo(options: argparse.Namespace) -> None:
    from exporter.demo.run import demo

    demo(options)


if __name__ == "__main__":
    main()
