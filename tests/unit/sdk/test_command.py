"""What ``takt-join`` says of wrong input, before it connects to anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from takt_sdk.__main__ import main


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "there is no '{file}'"),
        ("def price(call lot): pass", "{file}, line 1: "),
        ("import math\nimport no_such_module", "{file}, line 2: ModuleNotFoundError: "),
        ("x = 1", "{file} must define price"),
        ("price, CAPACITY = 5, {}", "price must be a function (call, lot); was 5"),
        ("CAPACITY = {}\ndef price(call, lot): ...", "no.creds cannot be read: No such file or directory"),
    ],
)
def test_a_wrong_pricing_file_is_named_with_its_line(
    text: str | None, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "pricing.py"
    if text is not None:
        file.write_text(text)
    command = ["takt-join", "run", str(file), "--creds", str(tmp_path / "no.creds"), "--nats-url", "nats://x"]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit) as ended:
        main()
    assert str(ended.value).startswith("takt-join: ")
    assert says.format(file=file) in str(ended.value)


def test_a_file_without_credentials_is_said_to_have_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    creds = tmp_path / "bad.creds"
    creds.write_text("hello\n")
    monkeypatch.setattr("sys.argv", ["takt-join", "sent", str(tmp_path / "o.db"), "--creds", str(creds)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert str(ended.value) == (
        f"takt-join: {creds} is not a participant's .creds file: it holds no JWT that can be read"
    )
