"""
Signatures of artifacts: who holds the key has made them.

A hash lies beside what it protects: whoever can change a model in a store can change
its hash, too. A signature needs a key, which is not in the store.
"""

import hashlib
import hmac

from flowpot.settings import get_settings


def signature(sha256: str) -> str | None:
    """
    Sign a content.

    Parameters
    ----------
    sha256
        Its hash, in hexadecimal digits.

    Returns
    -------
    str or None
        HMAC-SHA256 (RFC 2104) of the hash with the setting ``SIGNING_KEY``; None
        without a key.
    """
    key = get_settings().SIGNING_KEY
    if key is None:
        return None
    secret = key.get_secret_value().encode()
    return hmac.new(secret, sha256.encode(), hashlib.sha256).hexdigest()


def is_signed(sha256: str, given: str | None) -> bool:
    """Whether a signature is the one that the key gives, if there is a key."""
    wanted = signature(sha256)
    return wanted is None or hmac.compare_digest(wanted, given or "")
