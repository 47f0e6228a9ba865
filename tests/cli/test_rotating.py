"""Changing the key that secrets are sealed with, and never losing one that is needed."""

import json

import pytest

OLD, NEW = "k1:an-old-key-of-this-house-of-some-length", "k2:a-new-key-of-this-house-of-some-length"
BOTH = f"{NEW},{OLD}"


@pytest.fixture
async def signed_in(instance):
    """A Perch that goes on running with both keys after somebody signed in with the old one."""
    process = await instance.up(PERCH_SECRET_KEY=OLD)
    await instance.login(PERCH_SECRET_KEY=OLD)
    await instance.stop(process)
    await instance.up(PERCH_SECRET_KEY=BOTH)
    return instance


async def test_a_key_is_changed_while_perch_runs_and_then_dropped(signed_in):
    refused = signed_in.run("secrets", "rotate", PERCH_SECRET_KEY=NEW)
    assert (refused.returncode, "PERCH_SECRET_KEY" in refused.stderr) == (1, True)

    told = json.loads(signed_in.run("secrets", "rotate", "--json", PERCH_SECRET_KEY=BOTH).stdout)
    assert (told["key"], told["older"], told["broken"]) == ("k2", ["k1"], 0)
    assert told["columns"]["x_grant.refresh_token_sealed"] == {"done": 1, "broken": 0}

    again = signed_in.run("secrets", "rotate", PERCH_SECRET_KEY=NEW)
    assert (again.returncode, "sealed with k2 already" in again.stdout) == (0, True)
    assert signed_in.run("post", "With the new key", PERCH_SECRET_KEY=NEW).returncode == 0
