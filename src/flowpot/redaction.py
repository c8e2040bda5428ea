"""Hide the passwords and keys that addresses and settings hold."""

import re

HIDDEN = "***"
"""Text in the place of a secret."""

_NAMES = (
    r"[\w.-]*(?:password|passwd|pwd|secret|token|signature|credential|access_?key"
    r"|api_?key|account_?key|private_?key|signing_?key)[\w.-]*"
)
_USER = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/'\"<>]+@", re.IGNORECASE)
"""User and password, or key and secret, before the host of an address."""
_PARAMETER = re.compile(rf"([?&;](?:{_NAMES}|sig|key)=)[^&;\s'\"<>]+", re.IGNORECASE)
_QUOTED = re.compile(
    rf"((['\"]?)\b{_NAMES}\2\s*[:=]\s*)(['\"])[^'\"]+\3", re.IGNORECASE
)
_ASSIGNED = re.compile(
    rf"(\b{_NAMES}(?:=|:[ \t]+))(?!['\"{{\[*])[^\s,;&)}}\]]+", re.IGNORECASE
)


def redact(text: str) -> str:
    """
    Hide the passwords and keys in a text that is about to be printed or stored.

    Parameters
    ----------
    text
        Any text, such as an address, settings, or the message of an error.

    Returns
    -------
    str
        The text with :data:`HIDDEN` in the place of each secret.

    Examples
    --------
    >>> redact("mongodb://ada:lovelace@db.org/flowpot?authSource=admin")
    'mongodb://***@db.org/flowpot?authSource=admin'
    >>> redact("{'host': 'db.org', 'password': 'lovelace'}")
    "{'host': 'db.org', 'password': '***'}"
    """
    text = _USER.sub(rf"\1{HIDDEN}@", text)
    text = _PARAMETER.sub(rf"\1{HIDDEN}", text)
    text = _QUOTED.sub(rf"\1\3{HIDDEN}\3", text)
    return _ASSIGNED.sub(rf"\1{HIDDEN}", text)
