"""Exported runs on the Hugging Face hub: `hf://user/name`, downloaded once into its cache. Imports no torch."""

import re
from pathlib import Path

from pushforward.errors import PushforwardError

PREFIX = "hf://"
FILES = ("*.safetensors", "*.json", "config.yaml", "*/config.yaml", "README.md")
"""What is downloaded of a repository."""


def snapshot(spec: str) -> Path:
    """Return the folder of the export that `hf://user/name` or `hf://user/name@revision` means.

    Raises PushforwardError where the text means none, the package that downloads is missing, or the hub does not give it.
    """
    named = re.fullmatch(r"hf://([\w.-]+/[\w.-]+)(?:@([\w./-]+))?", spec)
    if named is None:
        raise PushforwardError(f"{spec}: write hf://user/name, or hf://user/name@revision")
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise PushforwardError(f"{spec} needs huggingface-hub: pip install 'pushforward[hf]'") from None
    try:
        folder = Path(snapshot_download(named[1], revision=named[2], allow_patterns=[*FILES]))
    except (OSError, ValueError) as error:  # the hub's own exceptions are of these
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise PushforwardError(f"{spec} is not available: {reason.strip()[:200]}") from None
    if not (folder / "config.yaml").is_file():
        raise PushforwardError(f"{spec}: no config.yaml in it: this is no model that pushforward export wrote")
    return folder
