"""The server's settings: what a file of them says, what is wrong with one, and the keys that it lets in."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli_runs import run_process
from foreshot.errors import ConfigError
from foreshot.serving.settings import ApiKey, Attribute, Limits, ServeSettings, load_serve_settings, new_key

WHOLE = """\
limits:
  texts: 10
  batch_wait_seconds: 0
  request_seconds: 2.5
keys:
- name: forum
  sha256: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
attributes:
  TOXICITY: {}
  INSULT: {model: odd, label: rude}
languages: [en, nl]
cors: ["https://forum.example"]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "serve.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_says_it_all(tmp_path: Path) -> None:
    settings = load_serve_settings(written(tmp_path, WHOLE))
    assert settings.limits == Limits(texts=10, batch_wait_seconds=0, request_seconds=2.5)
    assert settings.limits.queue == 4_096  # what it doesn't say is as ever
    assert [key.name for key in settings.keys] == ["forum"]
    assert settings.attributes == {"TOXICITY": Attribute(), "INSULT": Attribute(model="odd", label="rude")}
    assert (settings.languages, settings.cors) == (("en", "nl"), ("https://forum.example",))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("limits: {texts: 0}", ["limits.texts"]),
        ("limits: {texts: many}", ["limits.texts"]),
        ("limits: {request_seconds: .inf}", ["limits.request_seconds"]),
        ("limits: {request_seconds: 1.0e+30}", ["limits.request_seconds"]),
        *((f"limits: {{{name}: {10**30}}}", [f"limits.{name}"]) for name in Limits.model_fields),
        ("limits: {request_seconds: -1}", ["limits.request_seconds"]),
        ("limits: {batch_wait_seconds: 5}", ["limits.batch_wait_seconds"]),
        ("limits: {speed: 3}", ["limits.speed"]),
        ("limits: {text_lenght: 3}", ["limits.text_lenght: no such setting; did you mean text_length?"]),
        ("limit: {}", ["limit: no such setting; did you mean limits?"]),
        ("queue: 3", ["queue: no such setting; did you mean limits.queue?"]),
        ("keys: [{nmae: forum}]", ["keys.0.nmae: no such setting; did you mean name?"]),
        ("keys: [{name: forum, sha256: abc}]", ["keys.0.sha256"]),
        ("keys: [{name: 'for um', sha256: " + "0" * 64 + "}]", ["keys.0.name"]),
        ("keys: [{name: 'forum\\n', sha256: " + "0" * 64 + "}]".replace("'", '"'), ["keys.0.name"]),
        ("attributes: {TOXICITY: {lable: x}}", ["attributes.TOXICITY.lable: no such setting; did you mean label?"]),
        ("languages: []", ["languages"]),
        ("cors: '*'", ["cors"]),
        ("- limits", []),
        ("limits: [", []),
        ("limits: !!python/object/apply:os.getcwd []", []),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line_that_names_the_field(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as refused:
        load_serve_settings(path)
    message = str(refused.value)
    assert "\n" not in message
    for word in [str(path), *words]:
        assert word in message


def test_a_file_that_is_not_there_or_no_text_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        load_serve_settings(tmp_path / "nowhere.yaml")
    (tmp_path / "image.yaml").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(ConfigError, match=r"image\.yaml"):
        load_serve_settings(tmp_path / "image.yaml")


@pytest.mark.parametrize("field", ["limits", "keys", "cors"])
def test_settings_do_not_change_once_made(field: str) -> None:
    with pytest.raises(ValueError, match="frozen"):
        setattr(ServeSettings(), field, None)


# ---- keys ----


def test_a_key_is_known_by_its_hash_alone() -> None:
    settings = ServeSettings(keys=(key("forum", "open sesame"), key("app", "schlüssel")))
    assert settings.key_named("open sesame") == "forum"
    assert settings.key_named("schlüssel") == "app"
    for wrong in ("", "open sesam", "OPEN SESAME", "open sesame ", settings.keys[0].sha256, "\ud800"):
        assert settings.key_named(wrong) is None
    assert "sesame" not in repr(settings)


def test_without_keys_none_is_known() -> None:
    assert ServeSettings().key_named("") is None


def test_two_keys_may_have_one_name_while_one_replaces_the_other() -> None:
    settings = ServeSettings(keys=(key("forum", "old"), key("forum", "new")))
    assert [settings.key_named(one) for one in ("old", "new")] == ["forum", "forum"]


def test_a_new_key_lets_in_whom_its_settings_name(tmp_path: Path) -> None:
    secret, lines = new_key("forum")
    assert len(secret) >= 43  # 32 random bytes in base 64
    assert secret not in lines
    settings = load_serve_settings(written(tmp_path, lines))
    assert settings.key_named(secret) == "forum"
    assert yaml.safe_load(lines)["keys"][0]["sha256"] == hashlib.sha256(secret.encode()).hexdigest()
    assert new_key("forum")[0] != secret


def test_the_command_shows_the_key_once_and_writes_only_its_hash(tmp_path: Path) -> None:
    done = run_process("new-key", "forum")
    assert done.returncode == 0
    secret = done.stderr.rstrip("\n").rpartition(" ")[2]
    assert secret not in done.stdout
    assert load_serve_settings(written(tmp_path, done.stdout)).key_named(secret) == "forum"
    refused = run_process("new-key", "two words")
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)


@pytest.mark.parametrize("name", ["", "two words", "a\nb", "ключ", "../x"])
def test_a_key_needs_a_name_that_a_log_can_show(name: str) -> None:
    with pytest.raises(ConfigError, match="name"):
        new_key(name)


def key(name: str, secret: str) -> Any:
    return ApiKey(name=name, sha256=hashlib.sha256(secret.encode()).hexdigest())
