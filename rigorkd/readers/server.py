"""Asking a tracker's server, for those who asked for it: bounded JSON over HTTP, one message for trouble."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from rigorkd.errors import InputError, TrackingError

LARGEST = 256 * 2**20
SECONDS = 60.0


def ask(
    url: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None, *, what: str
) -> dict[str, Any]:
    """The JSON object that a server answers; a body makes it a POST.

    Raises:
        InputError: the address is none of http or https.
        TrackingError: no answer, a refusal, or something else than JSON.
    """
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise InputError(f"{url}: not an address of http or https", hint="such as http://localhost:5000")
    data = None if body is None else json.dumps(body).encode()
    told = {"Content-Type": "application/json", "User-Agent": "rigorkd", **(headers or {})}
    request = urllib.request.Request(url, data=data, headers=told)
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            content = answer.read(LARGEST + 1)
    except urllib.error.HTTPError as error:
        reason = error.read(2000).decode(errors="replace").strip().splitlines()
        shown = f": {reason[0][:200]}" if reason else ""
        raise TrackingError(
            f"{what} refused ({error.code} {error.reason}{shown})", hint="check the name and the login"
        ) from None
    except (urllib.error.URLError, TimeoutError, OSError) as error:
        raise TrackingError(f"{what} does not answer ({error})", hint="check the address") from None
    if len(content) > LARGEST:
        raise TrackingError(f"{what} answers with more than {LARGEST:,} bytes", hint="export a table instead")
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        raise TrackingError(
            f"{what} answers with something that is no JSON", hint="check the address"
        ) from None
    if not isinstance(value, dict):
        raise TrackingError(f"{what} answers with no JSON object", hint="check the address")
    return value
