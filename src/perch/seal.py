"""Encrypt and open secrets at rest: AES-256-GCM, bound to the row they belong to.

A sealed text reads ``<key id>.<base64url of nonce and ciphertext>``. The associated data names table,
column, row and owner, so a ciphertext that was copied into another row does not open.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from perch.errors import PerchError

_NONCE_BYTES = 12


class SealBroken(PerchError):
    """A sealed value does not open: wrong key, other row, or altered bytes."""

    code = "seal_broken"
    status = 500


@dataclass(frozen=True, slots=True)
class Place:
    """Where a secret lives. It opens there and nowhere else."""

    table: str
    column: str
    row: str
    owner: str

    def as_bytes(self) -> bytes:
        return "|".join((self.table, self.column, self.row, self.owner)).encode()


class Sealer:
    """Seals with the first key, opens with any. Keys are given as ``kid:key`` pairs or one bare key."""

    def __init__(self, secret_key: str) -> None:
        self._roots = dict(_pairs(secret_key))
        self._current = next(iter(self._roots))
        self._ciphers = {kid: AESGCM(_derive(root, "seal")) for kid, root in self._roots.items()}

    @property
    def kid(self) -> str:
        """The id of the key that seals."""
        return self._current

    @property
    def kids(self) -> tuple[str, ...]:
        """The ids of all keys that open, the one that seals first."""
        return tuple(self._roots)

    def seal(self, plain: str, place: Place) -> str:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._ciphers[self._current].encrypt(nonce, plain.encode(), place.as_bytes())
        return f"{self._current}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, place: Place) -> str:
        """Raises SealBroken when the key is unknown or the bytes belong elsewhere."""
        kid, _, body = sealed.partition(".")
        cipher = self._ciphers.get(kid)
        if cipher is None:
            raise SealBroken(f"The key {kid!r} that sealed this value is not in PERCH_SECRET_KEY.")
        try:
            raw = base64.urlsafe_b64decode(body)
            return cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], place.as_bytes()).decode()
        except (InvalidTag, ValueError, binascii.Error) as error:
            raise SealBroken("A sealed value does not belong to the row it was found in.") from error

    def digest(self, purpose: str, value: str) -> str:
        """A keyed fingerprint for values that are only ever compared."""
        key = _derive(self._roots[self._current], f"digest/{purpose}")
        return hmac.new(key, value.encode(), hashlib.sha256).hexdigest()

    def check_value(self) -> str:
        """What a database remembers, to refuse another key at the next start."""
        return _check_value(self._roots[self._current])

    def recognises(self, check_value: str) -> bool:
        """Whether one of the keys, the older ones of a rotation too, made this check value."""
        return any(
            hmac.compare_digest(_check_value(root).encode(), check_value.encode())
            for root in self._roots.values()
        )


def fingerprint(token: str) -> str:
    """SHA-256 of a random 256-bit token: what the database keeps of tokens it hands out."""
    return hashlib.sha256(token.encode()).hexdigest()


def _pairs(secret_key: str) -> list[tuple[str, bytes]]:
    pairs = []
    for number, entry in enumerate(part.strip() for part in secret_key.split(",") if part.strip()):
        kid, separator, key = entry.partition(":")
        pairs.append((kid, key.encode()) if separator else (f"k{number}", entry.encode()))
    return pairs


def _check_value(root: bytes) -> str:
    return hmac.new(_derive(root, "check"), b"perch", hashlib.sha256).hexdigest()


def _derive(root: bytes, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"perch/{purpose}".encode()).derive(root)
