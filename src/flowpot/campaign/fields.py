"""The fields of a campaign's Makers, as any reader of the store can read them."""

import json
from typing import Any

from monty.json import MontyEncoder

from flowpot.redaction import redact

MAKER = "maker"
"""Key of the class, beside the fields of a Maker or of another object."""

_LONGEST = 2000  # characters of a text: frames and models are not settings


def fields_of(maker: Any) -> dict[str, Any]:
    """
    Describe a Maker by its class and its fields, and so on within them.

    Reading it needs no import of the classes, which may be other packages'.

    Parameters
    ----------
    maker
        An MSONable object.

    Returns
    -------
    dict
        ``maker``, the address of the class, and the fields. Passwords are hidden, and
        texts of more than 2000 characters are cut.
    """
    plain: dict[str, Any] = _plain(json.loads(json.dumps(maker, cls=MontyEncoder)))
    return plain


def _plain(item: Any) -> Any:
    if isinstance(item, dict):
        fields = {
            str(name): _plain(value)
            for name, value in item.items()
            if not str(name).startswith("@")
        }
        name = item.get("@class", item.get("@callable"))
        is_object = "@module" in item and name
        return {MAKER: f"{item['@module']}.{name}", **fields} if is_object else fields
    if isinstance(item, list):
        return [_plain(value) for value in item]
    if isinstance(item, str):
        return redact(item if len(item) <= _LONGEST else f"{item[:_LONGEST]} ...")
    return item
