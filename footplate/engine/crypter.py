"""Pulumi's passphrase secrets: AES-256-GCM under a key derived from a passphrase (PBKDF2-SHA256, 1,000,000 rounds).

Formats as `pulumi` has them, so that `PULUMI_CONFIG_PASSPHRASE=… pulumi stack import` reads our state: a ciphertext is
`v1:<nonce>:<ciphertext>`, a salt is `v1:<salt>:<ciphertext of "pulumi">` (all base64); the latter stands in the state's
`secrets_providers` and as `encryptionsalt` in a stack file.

Where no passphrase is given by PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE, one is made and kept beside
the state, readable by its owner alone, with the derived key (deriving takes about half a second).
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from footplate.engine.errors import StateUnreadable

ROUNDS = 1_000_000


class Crypter:
    """Encrypts and decrypts with one key; a plaintext met before keeps its ciphertext, so that state files stay equal."""

    def __init__(self, key: bytes, salt: str) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self.salt = salt
        self.key = key
        self._cipher = AESGCM(key)
        self._known: dict[str, str] = {}

    def encrypt(self, plaintext: str) -> str:
        found = self._known.get(plaintext)
        if found is None:
            nonce = secrets.token_bytes(12)
            found = f"v1:{_b64(nonce)}:{_b64(self._cipher.encrypt(nonce, plaintext.encode(), None))}"
            self._known[plaintext] = found
        return found

    def decrypt(self, ciphertext: str) -> str:
        from cryptography.exceptions import InvalidTag

        try:
            version, nonce, sealed = ciphertext.split(":")
            if version != "v1":
                raise ValueError(f"version {version}")
            plaintext = self._cipher.decrypt(base64.b64decode(nonce), base64.b64decode(sealed), None).decode()
        except (ValueError, InvalidTag) as error:
            raise StateUnreadable(
                f"a secret cannot be decrypted ({error or 'wrong key'})",
                "set PULUMI_CONFIG_PASSPHRASE to the passphrase it was encrypted with",
            ) from error
        self._known.setdefault(plaintext, ciphertext)
        return plaintext


class _Kept(msgspec.Struct):
    """The file beside the state. `keys`: salt → derived key (base64)."""

    passphrase: str
    keys: dict[str, str] = {}


class Keyring:
    """Crypters by salt, for one stack. `path`: where the passphrase is kept that nobody gave."""

    def __init__(self, path: Path, environ: Mapping[str, str] = os.environ) -> None:
        self._path = path
        self._given = _given(environ)
        self._crypters: dict[str, Crypter] = {}

    def new(self) -> Crypter:
        """A crypter with a salt of its own."""
        raw = secrets.token_bytes(8)
        kept = self._kept(create=True)
        key = _derive(self._given if self._given is not None else kept.passphrase, raw)
        salt = f"v1:{_b64(raw)}:{Crypter(key, '').encrypt('pulumi')}"
        return self._remember(salt, key, kept)

    def unlock(self, salt: str) -> Crypter:
        """Raises StateUnreadable where the passphrase is not the one the salt was made with, or is not known."""
        if salt in self._crypters:
            return self._crypters[salt]
        parts = salt.split(":", 2)
        if len(parts) != 3 or parts[0] != "v1":
            raise StateUnreadable(f"{salt!r} is no salt of Pulumi's passphrase secrets")
        kept = self._kept(create=False)
        for key in self._keys(salt, base64.b64decode(parts[1]), kept):
            try:
                if Crypter(key, salt).decrypt(parts[2]) == "pulumi":
                    return self._remember(salt, key, kept)
            except StateUnreadable:
                continue
        raise StateUnreadable(
            "the passphrase is not the one that these secrets were encrypted with"
            if self._given is not None or kept.passphrase
            else "the configuration or state has secrets, and no passphrase is given",
            "set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE",
        )

    def _keys(self, salt: str, raw: bytes, kept: _Kept) -> Iterator[bytes]:
        """What may open it: what opened it before, the given passphrase, the one that was made when none was given."""
        if salt in kept.keys:
            yield base64.b64decode(kept.keys[salt])
        if self._given is not None:
            yield _derive(self._given, raw)
        if kept.passphrase:
            yield _derive(kept.passphrase, raw)

    def passphrase(self) -> str:
        """For the Pulumi CLI: the given one, or the one kept (made where there is none)."""
        return self._given if self._given is not None else self._kept(create=True).passphrase

    def _remember(self, salt: str, key: bytes, kept: _Kept) -> Crypter:
        if self._given is None and kept.passphrase and salt not in kept.keys:
            kept.keys[salt] = _b64(key)
            _write_private(self._path, msgspec.json.encode(kept))
        self._crypters[salt] = Crypter(key, salt)
        return self._crypters[salt]

    def _kept(self, *, create: bool) -> _Kept:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Kept)
        except FileNotFoundError:
            pass
        except msgspec.DecodeError as error:
            raise StateUnreadable(f"{self._path} is damaged: {error}") from error
        kept = _Kept(secrets.token_urlsafe(32) if create else "")
        if create and self._given is None:
            _write_private(self._path, msgspec.json.encode(kept))
        return kept


def _given(environ: Mapping[str, str]) -> str | None:
    if "PULUMI_CONFIG_PASSPHRASE" in environ:
        return environ["PULUMI_CONFIG_PASSPHRASE"]
    path = environ.get("PULUMI_CONFIG_PASSPHRASE_FILE")
    if not path:
        return None
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise StateUnreadable(f"PULUMI_CONFIG_PASSPHRASE_FILE cannot be read: {error}") from error


def _derive(passphrase: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, ROUNDS, 32)


def _write_private(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
