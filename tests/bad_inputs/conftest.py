"""
Inputs that cannot be meant, from Python, files and the command line.

Each is refused before any engine starts, with the field or file, its value and what to
do. A row: what is given; words that the message has, in this order.
"""

import stat

import pytest


@pytest.fixture(autouse=True)
def engine(clean_dir, monkeypatch):
    """A pw.x that leaves a mark: none may be there afterwards."""
    program = clean_dir / "pw.x"
    program.write_text(f"#!/bin/sh\necho Program PWSCF v.7.0\ntouch {clean_dir}/mark\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("FLOWPOT_PW_CMD", str(program))
    (clean_dir / "settings.yaml").touch()
    monkeypatch.setenv("FLOWPOT_CONFIG_FILE", str(clean_dir / "settings.yaml"))
    yield program
    assert not (clean_dir / "mark").exists()


@pytest.fixture
def check_words():
    """The words are there in this order, and nothing of the code's insides."""

    def check(said, words):
        said = " ".join(said.split())
        assert "Traceback" not in said
        place = 0
        for word in words:
            found = said.find(word, place)
            assert found >= 0, f"{word!r} is not in: {said[place:]}"
            place = found + len(word)

    return check


@pytest.fixture
def check_refusal(check_words):
    """A call in Python is refused, by a ValueError with these words."""

    def check(call, words):
        with pytest.raises(ValueError) as refused:
            call()
        check_words(str(refused.value), words)

    return check
