"""Where a market listens: its file says it, a flag wins."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from scenarios.cli import main
from scenarios.errors import ScenarioFileError
from scenarios.market_file import options_of, with_market_file

SMOKE = Path(__file__).parents[3] / "scenarios" / "library" / "smoke"
PAGE = Path(__file__).parents[3] / "docs" / "operating.md"


@click.command()
@click.option("--data", type=click.Path(path_type=Path), is_eager=True, callback=with_market_file)
@click.option("--http-port", type=click.IntRange(0, 65_535), default=0)
@click.option("--nats-host", default="127.0.0.1")
@click.option("--tls-cert", type=click.Path(exists=True, path_type=Path))
@click.option("--plain-text/--no-plain-text", default=False)
def shown(**options: object) -> None:
    """Show the options that `takt up` would see."""
    del options["data"]
    click.echo(" ".join(f"{name}={value}" for name, value in sorted(options.items())))


def said(folder: Path, *arguments: str) -> str:
    done = CliRunner().invoke(shown, [*arguments, "--data", str(folder)])
    assert done.exit_code == 0, done.output
    return done.output.strip()


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    assert said(tmp_path) == "http_port=0 nats_host=127.0.0.1 plain_text=False tls_cert=None"


def test_what_the_file_says_holds_unless_a_flag_says_otherwise(tmp_path: Path) -> None:
    cert = tmp_path / "cert.pem"
    cert.touch()
    (tmp_path / "market.toml").write_text(
        '[listen]\nhttp_port = 8443\nnats_host = "0.0.0.0"\ntls_cert = "cert.pem"\nplain_text = true\n'
    )
    assert said(tmp_path) == f"http_port=8443 nats_host=0.0.0.0 plain_text=True tls_cert={cert}"
    flags = ("--http-port", "9000", "--nats-host", "::1", "--no-plain-text")
    assert said(tmp_path, *flags) == f"http_port=9000 nats_host=::1 plain_text=False tls_cert={cert}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[listen]\nhttp_port = "80"\n',
            "line 2: listen.http_port: Input should be a valid integer; was '80'",
        ),
        (
            "[listen]\n\nhttp_port = 70000\n",
            "line 3: listen.http_port: .* less than or equal to 65535; was 70000",
        ),
        ("[listen]\nport = 1\n", "line 2: listen.port: is no key of this section; was 1"),
        ('[listen]\ntls_key = "gone.pem"\n', "listen.tls_key: is no file; was 'gone.pem'"),
        ("[listen\n", "is not TOML"),
    ],
)
def test_what_is_wrong_is_named_with_field_and_value(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "market.toml"
    file.write_text(text)
    with pytest.raises(ScenarioFileError, match=f"^{re.escape(str(file))}.*{message}"):
        options_of(file)
    refused = CliRunner().invoke(shown, ["--data", str(tmp_path)])
    assert refused.exit_code == 1
    assert refused.output.startswith("Error: ")


def test_takt_up_holds_the_file_to_its_own_rules(tmp_path: Path) -> None:
    (tmp_path / "market.toml").write_text('[listen]\nnats_host = "0.0.0.0"\n')
    refused = CliRunner().invoke(main, ["up", "--data", str(tmp_path), "--scenario", str(SMOKE)])
    assert refused.exit_code == 2
    assert "needs --tls-cert and --tls-key" in " ".join(refused.output.split())
    assert [file.name for file in tmp_path.iterdir()] == ["market.toml"]


def test_the_file_on_the_page_is_read(tmp_path: Path) -> None:
    block = re.search(r"```toml\n(\[listen\].*?)```", PAGE.read_text(), re.DOTALL)
    assert block is not None
    for name in ("fullchain.pem", "privkey.pem"):
        (tmp_path / name).touch()
    (tmp_path / "market.toml").write_text(block[1])
    assert set(options_of(tmp_path / "market.toml")) == {
        *("http_host", "http_port", "nats_host", "nats_port", "tls_cert", "tls_key", "plain_text")
    }
