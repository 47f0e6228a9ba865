"""Public ids: what the outside sees of a row; made before the INSERT so that sealing can bind to them."""

import secrets

_ALPHABET = "23456789abcdefghjkmnpqrstvwxyz"


def new_public_id() -> str:
    """Sixteen characters from an alphabet without look-alikes: about 78 random bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(16))
