"""The socket of the web: taken before anything else starts, and by one process only."""

import pytest

from perch.cli.listening import PortTaken, listen
from perch.settings import Settings


def settings(port: int, host: str = "127.0.0.1") -> Settings:
    return Settings(_env_file=None, port=port, host=host)  # type: ignore[call-arg]


def test_of_two_that_start_at_the_same_moment_the_second_is_told(instance):
    with listen(settings(instance.port)), pytest.raises(PortTaken, match=str(instance.port)) as refused:
        listen(settings(instance.port))
    assert "PERCH_PORT" in (refused.value.fix or "")


def test_a_port_is_free_again_at_once(instance):
    for _ in range(3):
        listen(settings(instance.port)).close()


def test_a_host_that_is_not_this_machine_s_is_named(instance):
    with pytest.raises(PortTaken, match=r"192\.0\.2\.1"):
        listen(settings(instance.port, "192.0.2.1"))
