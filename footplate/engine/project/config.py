"""A stack's configuration: its file `Pulumi.<stack>.yaml` checked against the project's schema, secrets decrypted.

Beyond what Pulumi checks, a key of the project that the schema does not have is refused: it is a misspelt one.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from footplate.engine.crypter import Keyring
from footplate.engine.errors import ConfigInvalid, ProjectInvalid, Unsupported, cli_remedy
from footplate.engine.project import given
from footplate.engine.project.manifest import Project, read_yaml
from footplate.engine.project.schema import Field, mismatch

_KEYS = frozenset({"config", "secretsprovider", "encryptedkey", "encryptionsalt", "environment", "version"})


@dataclass(frozen=True)
class Config:
    """Values as the program gets them: text, or JSON text of what is no text. Keys have their namespace."""

    values: Mapping[str, str]
    secrets: frozenset[str] = frozenset()

    def package(self, name: str) -> dict[str, str]:
        """What a provider's default instance is configured with: `kubernetes:context` → `context`."""
        prefix = f"{name}:"
        return {key.removeprefix(prefix): value for key, value in self.values.items() if key.startswith(prefix)}


def load_config(project: Project, stack: str, keyring: Keyring, overrides: Mapping[str, str] | None = None) -> Config:
    """`overrides` (from `--config key=value`) win over the file; those of secret keys are secret."""
    path = project.stack_file(stack)
    if not path.is_file():
        have = project.stacks()
        near = difflib.get_close_matches(stack, have, 1)
        raise ConfigInvalid(
            f"stack {stack!r} has no configuration file {path}",
            f"did you mean {near[0]!r}?" if near else f"the stacks are: {', '.join(have) or 'none yet'}",
        )
    document = read_yaml(path)
    unknown = sorted(set(document) - _KEYS)
    if unknown:
        raise ConfigInvalid(f"{path} has the unknown key {unknown[0]!r}", "configuration stands under `config:`")
    if document.get("environment"):
        raise Unsupported(f"{path} imports a Pulumi ESC environment", cli_remedy("footplate up"))
    written: Any = document.get("config") or {}
    if not isinstance(written, dict):
        raise ProjectInvalid(f"{path}: config is no mapping of keys to values")
    raw: dict[str, Any] = {project.qualified(str(key)): value for key, value in cast(dict[Any, Any], written).items()}
    given_here = given.overriding(project, overrides or {}, raw)
    raw.update(given_here)
    _known_keys(path, project, raw, given_here)
    return _resolve(path, project.fields, raw, _decrypter(path, document, keyring), frozenset(given_here))


def plain_values(project: Project, stack: str, overrides: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What the stack's file and the overrides say in clear, by qualified key; nothing is checked or decrypted."""
    path = project.stack_file(stack)
    document: Any = (read_yaml(path).get("config") if path.is_file() else None) or {}
    written: dict[Any, Any] = cast(dict[Any, Any], document) if isinstance(document, dict) else {}
    found: dict[str, Any] = {project.qualified(str(key)): value for key, value in written.items()}
    found |= given.overriding(project, overrides or {}, found)
    return {key: value for key, value in found.items() if not (isinstance(value, dict) and "secure" in value)}


def _known_keys(path: Path, project: Project, raw: Mapping[str, Any], given_here: Mapping[str, Any]) -> None:
    declared = [field.name for field in project.fields]
    own = f"{project.name}:"
    if not any(name.startswith(own) for name in declared):
        return  # a project without a schema of its own takes any key
    own_keys = [name.removeprefix(own) for name in declared if name.startswith(own)]
    for key in raw:
        if key.startswith(own) and key not in declared:
            short = key.removeprefix(own)
            near = difflib.get_close_matches(short, own_keys, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"the keys are: {', '.join(own_keys)}"
            where = "--config" if key in given_here else path
            raise ConfigInvalid(f"{where}: there is no configuration key {short!r}", hint)


def _decrypter(path: Path, document: Mapping[str, Any], keyring: Keyring) -> Callable[[str], str]:
    def decrypt(ciphertext: str) -> str:
        provider = document.get("secretsprovider")
        salt = document.get("encryptionsalt")
        if provider not in (None, "", "passphrase", "default") or not isinstance(salt, str):
            raise Unsupported(
                f"{path}: its secure values are kept by {provider or 'Pulumi Cloud'!r}; this engine opens those of a "
                "passphrase (encryptionsalt)",
                cli_remedy("footplate up"),
            )
        return keyring.unlock(salt).decrypt(ciphertext)

    return decrypt


def _resolve(
    path: Path,
    fields: Sequence[Field],
    raw: Mapping[str, Any],
    decrypt: Callable[[str], str],
    overridden: frozenset[str],
) -> Config:
    declared = {field.name: field for field in fields}
    values: dict[str, str] = {}
    secrets: set[str] = set()
    for key, value in raw.items():
        opened, secret = _open(value, decrypt)
        field = declared.get(key)
        if field is not None:
            # Given for this run alone, it is not kept in clear anywhere.
            secret |= field.secret and key in overridden
            if field.secret and not secret:
                raise ConfigInvalid(
                    f"{path}: {_short(key)} is a secret and stands there in clear",
                    f"write it as `secure:` (`pulumi config set --secret {key}`)",
                )
            wrong = mismatch(field, opened)
            if wrong:
                shown = "[secret] is not of its type" if secret else wrong
                where = f"--config {key}" if key in overridden else f"{path}: {_short(key)}"
                raise ConfigInvalid(f"{where} {shown}", field.description or None)
        values[key] = _text(opened)
        if secret:
            secrets.add(key)
    for field in fields:
        if field.name in values:
            continue
        if field.default is not None:
            values[field.name] = _text(field.default)
        elif field.required:
            raise ConfigInvalid(f"{path}: {_short(field.name)} is required and missing", field.description or None)
    return Config(values, frozenset(secrets))


def _open(value: Any, decrypt: Callable[[str], str]) -> tuple[Any, bool]:
    """The value with what is `{secure: …}` in it decrypted, and whether anything was."""
    if isinstance(value, dict):
        fields = cast(dict[str, Any], value)
        if set(fields) == {"secure"} and isinstance(fields["secure"], str):
            return decrypt(fields["secure"]), True
        opened = {str(key): _open(item, decrypt) for key, item in fields.items()}
        return {key: item for key, (item, _) in opened.items()}, any(secret for _, secret in opened.values())
    if isinstance(value, list):
        items = [_open(item, decrypt) for item in cast(list[Any], value)]
        return [item for item, _ in items], any(secret for _, secret in items)
    return value, False


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, default=str)  # YAML has dates


def _short(key: str) -> str:
    return f"config {key!r}"
