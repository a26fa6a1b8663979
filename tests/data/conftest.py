"""No test of data may see this machine's own data or cache, or the network."""

from pathlib import Path

import pytest


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No PUSHFORWARD_DATA, an empty cache, and no way to reach a host but this one."""
    import pooch

    monkeypatch.delenv("PUSHFORWARD_DATA", raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    for scheme in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(scheme, raising=False)
    return tmp_path
