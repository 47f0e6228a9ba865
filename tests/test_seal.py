"""Secrets at rest open with their key, in their row, and nowhere else."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.seal import Place, SealBroken, Sealer, fingerprint

PLACE = Place("x_grant", "access_token", "row-one", "owner-one")
OLD, NEW = "k1:an-old-key-of-this-house", "k2:a-new-key-of-this-house"


@given(st.text(st.characters(codec="utf-8")))
def test_what_was_sealed_opens_in_its_place(plain):
    sealer = Sealer(OLD)
    sealed = sealer.seal(plain, PLACE)
    assert sealer.open(sealed, PLACE) == plain
    assert len(plain) < 4 or plain not in sealed


@pytest.mark.parametrize("field", ["table", "column", "row", "owner"])
def test_it_does_not_open_in_another_place(field):
    sealer = Sealer(OLD)
    sealed = sealer.seal("a token", PLACE)
    with pytest.raises(SealBroken):
        sealer.open(sealed, replace(PLACE, **{field: "another"}))


def test_two_rows_that_swap_their_secrets_both_stay_shut():
    sealer, other = Sealer(OLD), replace(PLACE, row="row-two")
    one, two = sealer.seal("one", PLACE), sealer.seal("two", other)
    for sealed, place in ((one, other), (two, PLACE)):
        with pytest.raises(SealBroken):
            sealer.open(sealed, place)


def test_the_same_secret_is_never_sealed_the_same_way_twice():
    sealer = Sealer(OLD)
    assert len({sealer.seal("a token", PLACE) for _ in range(200)}) == 200


@pytest.mark.parametrize("key", ["k1:another-key-altogether", NEW])
def test_another_key_opens_nothing(key):
    sealed = Sealer(OLD).seal("a token", PLACE)
    with pytest.raises(SealBroken):
        Sealer(key).open(sealed, PLACE)


@given(st.integers(0, 10_000), st.integers(1, 10))
def test_no_byte_can_be_changed(number, step):
    sealed = Sealer(OLD).seal("a token", PLACE)
    first, last = len("k1."), len(sealed) - 3
    place = first + number % (last - first + 1)
    letters = "ABCxyz019-_"
    other = letters[(letters.find(sealed[place]) + step) % len(letters)]
    with pytest.raises(SealBroken):
        Sealer(OLD).open(sealed[:place] + other + sealed[place + 1 :], PLACE)


@pytest.mark.parametrize(
    "sealed", ["", "k1", "k1.", "k1.AAAA", "k1.not base64!", "plain text", "k9.AAAA", "k1.é"]
)
def test_what_was_never_sealed_is_refused(sealed):
    with pytest.raises(SealBroken):
        Sealer(OLD).open(sealed, PLACE)


def test_while_rotating_the_first_key_seals_and_every_key_opens():
    before = Sealer(OLD).seal("a token", PLACE)
    rotating = Sealer(f"{NEW}, {OLD}")
    assert rotating.open(before, PLACE) == "a token"
    after = rotating.seal("a token", PLACE)
    assert after.startswith("k2.")
    assert Sealer(NEW).open(after, PLACE) == "a token"
    with pytest.raises(SealBroken, match="k1"):
        Sealer(NEW).open(before, PLACE)


def test_a_bare_key_works_as_well():
    sealer = Sealer("one-long-random-secret")
    assert sealer.open(sealer.seal("a token", PLACE), PLACE) == "a token"


def test_a_check_value_tells_keys_apart_and_gives_nothing_away():
    assert Sealer(OLD).check_value() == Sealer(OLD).check_value()
    assert Sealer(OLD).check_value() != Sealer(NEW).check_value()
    assert "old-key" not in Sealer(OLD).check_value()


def test_while_rotating_both_keys_are_known_by_their_check_values():
    rotating = Sealer(f"{NEW},{OLD}")
    assert rotating.recognises(Sealer(OLD).check_value())
    assert rotating.recognises(Sealer(NEW).check_value())
    assert not Sealer(NEW).recognises(Sealer(OLD).check_value())


def test_digests_differ_by_purpose_and_by_key():
    sealer = Sealer(OLD)
    assert sealer.digest("a", "value") == sealer.digest("a", "value")
    assert sealer.digest("a", "value") != sealer.digest("b", "value")
    assert sealer.digest("a", "value") != Sealer(NEW).digest("a", "value")


def test_a_fingerprint_is_sha_256():
    assert fingerprint("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
