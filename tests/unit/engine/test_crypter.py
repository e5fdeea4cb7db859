import base64
import hashlib
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from footplate.engine.crypter import Keyring
from footplate.engine.errors import StateUnreadable


def test_ciphertexts_are_in_pulumis_format(tmp_path: Path) -> None:
    """Opened here by the steps of `sdk/go/common/resource/config/crypt.go`, not by the code under test."""
    crypter = Keyring(tmp_path / "passphrase.json", {"PULUMI_CONFIG_PASSPHRASE": "correct horse"}).new()
    version, salt, check = crypter.salt.split(":", 2)
    key = hashlib.pbkdf2_hmac("sha256", b"correct horse", base64.b64decode(salt), 1_000_000, 32)

    def open_(text: str) -> bytes:
        tag, nonce, sealed = text.split(":")
        assert tag == "v1"
        return AESGCM(key).decrypt(base64.b64decode(nonce), base64.b64decode(sealed), None)

    assert version == "v1"
    assert open_(check) == b"pulumi"
    assert open_(crypter.encrypt('"s3cr3t"')) == b'"s3cr3t"'
    assert not (tmp_path / "passphrase.json").exists(), "a passphrase that is given is not kept"


def test_a_passphrase_that_nobody_gave_is_made_and_kept_private(tmp_path: Path) -> None:
    path = tmp_path / "stack" / "passphrase.json"
    crypter = Keyring(path, {}).new()
    sealed = crypter.encrypt("x")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Keyring(path, {}).unlock(crypter.salt).decrypt(sealed) == "x"
    assert Keyring(path, {"PULUMI_CONFIG_PASSPHRASE": Keyring(path, {}).passphrase()}).unlock(crypter.salt)


def test_a_passphrase_given_later_does_not_shut_out_what_was_made_without(tmp_path: Path) -> None:
    crypter = Keyring(tmp_path / "a", {}).new()
    later = Keyring(tmp_path / "a", {"PULUMI_CONFIG_PASSPHRASE": "for the stack file"})
    assert later.unlock(crypter.salt).decrypt(crypter.encrypt("x")) == "x"


def test_a_wrong_passphrase_is_told_from_damage(tmp_path: Path) -> None:
    salt = Keyring(tmp_path / "a", {"PULUMI_CONFIG_PASSPHRASE": "right"}).new().salt
    with pytest.raises(StateUnreadable, match="not the one"):
        Keyring(tmp_path / "a", {"PULUMI_CONFIG_PASSPHRASE": "wrong"}).unlock(salt)
    with pytest.raises(StateUnreadable, match="no passphrase is given"):
        Keyring(tmp_path / "none", {}).unlock(salt)
    with pytest.raises(StateUnreadable, match="no salt"):
        Keyring(tmp_path / "none", {}).unlock("v1:xx")


def test_the_passphrase_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "phrase").write_text("right\n")
    salt = Keyring(tmp_path / "a", {"PULUMI_CONFIG_PASSPHRASE": "right"}).new().salt
    assert Keyring(tmp_path / "a", {"PULUMI_CONFIG_PASSPHRASE_FILE": str(tmp_path / "phrase")}).unlock(salt)


def test_a_plaintext_keeps_its_ciphertext(tmp_path: Path) -> None:
    crypter = Keyring(tmp_path / "a", {"PULUMI_CONFIG_PASSPHRASE": "right"}).new()
    sealed = crypter.encrypt("value")
    assert crypter.encrypt("value") == sealed
    assert crypter.encrypt("other") != sealed
