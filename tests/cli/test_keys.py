"""API keys and further accounts from the command line, whose user is the owner."""

import json

import aiohttp
import pytest


async def asked(instance, key, path="/api/v1/accounts"):
    async with (
        aiohttp.ClientSession() as http,
        http.get(instance.url + path, headers={"Authorization": f"Bearer {key}"}) as answer,
    ):
        return answer.status


def test_without_an_owner_there_are_no_keys(command):
    command("migrate")
    refused = command("keys", "create", "laptop")
    assert (refused.returncode, "Sign in first" in refused.stderr) == (1, True)
    assert "no keys" in command("keys", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "said"), [(["--scope", "everything"], "everything"), (["--days", "0"], "0 days")]
)
def test_a_key_that_cannot_be_is_refused_with_a_sentence(command, arguments, said):
    command("migrate")
    refused = command("keys", "create", "laptop", *arguments)
    assert (refused.returncode, said in refused.stderr) == (1, True)


async def test_a_key_opens_the_api_until_it_is_revoked(instance):
    await instance.up()
    await instance.login()
    made = json.loads(instance.run("keys", "create", "laptop", "--json").stdout)
    assert await asked(instance, made["key"]) == 200
    listed = instance.run("keys", "list").stdout
    assert "laptop" in listed
    assert made["key"] not in listed
    assert instance.run("keys", "revoke", made["id"]).returncode == 0
    assert await asked(instance, made["key"]) == 401
    again = instance.run("keys", "revoke", made["id"])
    assert (again.returncode, "no such token" in again.stderr) == (1, True)


async def test_a_second_account_joins_the_owner_although_strangers_are_refused(instance):
    await instance.up(PERCH_SIGN_IN="first")
    await instance.login("sandbox_ada", PERCH_SIGN_IN="first")
    await instance.login("sandbox_ben", PERCH_SIGN_IN="first")
    accounts = json.loads(instance.run("accounts", "--json").stdout)
    assert [account["username"] for account in accounts] == ["sandbox_ada", "sandbox_ben"]


async def test_what_perch_writes_is_for_its_owner_s_eyes(instance):
    process = await instance.up()
    await instance.login()
    await instance.stop(process)
    modes = {path.name: path.stat().st_mode & 0o077 for path in instance.data.rglob("*")}
    assert modes
    assert not any(modes.values()), modes
