"""Names of instances."""

import pytest

from streaming.kafka.instance import InstanceError, member_name


def test_a_member_is_its_group_and_its_instance() -> None:
    assert member_name("intake.flights", "host-1_a.b") == "intake.flights.host-1_a.b"


@pytest.mark.parametrize("instance", ["", "a b", "a/b", "ä", "a\n"])
def test_a_name_that_kafka_would_refuse(instance: str) -> None:
    with pytest.raises(InstanceError, match="allowed are letters"):
        member_name("group", instance)


def test_the_longest_name() -> None:
    assert member_name("group", "a" * 243)
    with pytest.raises(InstanceError, match="got 244 characters; allowed are 243 in group 'group'"):
        member_name("group", "a" * 244)
