"""Files of the Hugging Face hub: from its cache if they are there, else downloaded into it."""

from __future__ import annotations

import socket
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from rigorkd.errors import InputError
from rigorkd.text import first_line

_SECONDS = 5.0


def hub_file(repository: str, names: tuple[str, ...]) -> Path:
    """The first of the named files that the repository has. A cached file is taken without asking the hub.

    Raises:
        InputError: none of them can be found or downloaded; says which file to place where.
    """
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    identifier, _, revision = repository.partition("@")
    for name in names:
        cached = huggingface_hub.try_to_load_from_cache(identifier, name, revision=revision or None)
        if isinstance(cached, str):
            return Path(cached)
    reason = ""
    for name in names if reachable() else ():
        try:
            return Path(huggingface_hub.hf_hub_download(identifier, name, revision=revision or None))
        except EntryNotFoundError as error:
            reason = first_line(error)
            if isinstance(error, LocalEntryNotFoundError):  # no network: no other name would do better
                break
        except (OSError, ValueError) as error:
            reason = first_line(error)
            break
    raise not_there(
        repository, names[0], reason, otherwise=f"download {names[0]} and start from it: {{path: {names[0]}}}"
    )


def not_there(repository: str, name: str, reason: str, *, otherwise: str) -> InputError:
    """The error for a file that this machine neither has nor can download, with both ways to mend it."""
    from huggingface_hub import constants

    identifier, _, _ = repository.partition("@")
    folder = Path(constants.HF_HUB_CACHE) / f"models--{identifier.replace('/', '--')}"
    return InputError(
        f"{name} of {repository} is not in the cache of the Hugging Face hub and cannot be downloaded:"
        f" {reason or 'there is no connection'}",
        hint=f"where there is a network, run `hf download {identifier}` and copy {folder.name} from its cache"
        f" to {folder}; or {otherwise}",
    )


def reachable() -> bool:
    """Whether the hub answers at all: its own client retries for half a minute before it gives up."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        require_answer(constants.ENDPOINT)
    except OSError:
        return False
    return True


def require_answer(url: str) -> None:
    """Raise OSError unless the host of an address answers within seconds.

    Where a firewall drops what is sent, a download would wait for minutes before it gives up.
    """
    if urllib.request.getproxies():
        return  # a proxy's name for the host need not resolve here
    address = urlsplit(url)
    port = address.port or {"http": 80}.get(address.scheme, 443)
    socket.create_connection((address.hostname or "", port), timeout=_SECONDS).close()
