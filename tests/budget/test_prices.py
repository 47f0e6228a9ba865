from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.budget.prices import Charge, Price, price_of, price_of_post, quote
from perch.settings import Plan

TODAY = date(2026, 11, 1)
REVISION = date(2026, 4, 20)
PLAN = "pay-per-use"


@pytest.mark.parametrize(
    ("has_url", "summoned", "shown", "why"),
    [
        (False, False, "$0.015", "a post without a link costs $0.015"),
        (True, False, "$0.200", "a link makes this post $0.200"),
        (False, True, "$0.010", "a reply its author asked for costs $0.010"),
        (True, True, "$0.200", "a link makes this post $0.200"),
    ],
)
def test_the_price_of_a_post_says_why(has_url: bool, summoned: bool, shown: str, why: str) -> None:
    price = price_of_post(has_url=has_url, summoned=summoned, at=TODAY, plan=PLAN)

    assert (price.show(), price.why) == (shown, why)


@pytest.mark.parametrize(
    ("charge", "micros"),
    [
        (Charge.MEDIA_METADATA, 5_000),
        (Charge.POST_READ, 5_000),
        (Charge.USER_READ, 10_000),
        (Charge.OWNED_READ, 1_000),
        (Charge.INTERACTION_DELETE, 10_000),
    ],
)
def test_other_charges_have_their_price(charge: Charge, micros: int) -> None:
    assert price_of(charge, at=TODAY, plan=PLAN).micros == micros


def test_a_new_price_holds_from_its_first_day() -> None:
    before = price_of_post(has_url=True, at=REVISION - timedelta(days=1), plan=PLAN)
    after = price_of_post(has_url=True, at=REVISION, plan=PLAN)

    assert (before.micros, after.micros) == (10_000, 200_000)


@pytest.mark.parametrize("charge", Charge)
def test_a_day_before_all_known_prices_gets_the_first_one(charge: Charge) -> None:
    assert price_of(charge, at=date(2020, 1, 1), plan=PLAN).micros > 0


@pytest.mark.parametrize("plan", [plan for plan in Plan if plan is not Plan.PAY_PER_USE])
def test_other_plans_include_posts(plan: str) -> None:
    quoted = quote("see example.com", at=TODAY, plan=plan, described_media=2)

    assert quoted.total == Price(0, f"included in the plan {plan}")
    assert {line.price.micros for line in quoted.lines} == {0}


def test_an_unknown_plan_is_refused() -> None:
    with pytest.raises(ValueError, match="platinum"):
        price_of_post(has_url=False, at=TODAY, plan="platinum")


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("good morning", 15_000),
        ("", 15_000),
        ("read https://example.com/a", 200_000),
        ("read example.com", 200_000),
        ("version 1.0.2 is out. Enjoy", 15_000),
        ("write to me@example.com", 15_000),
    ],
)
def test_a_link_in_the_text_decides_the_quote(text: str, micros: int) -> None:
    assert quote(text, at=TODAY, plan=PLAN).total.micros == micros


def test_a_quote_names_the_link_and_the_alt_texts() -> None:
    quoted = quote("see example.com/a", at=TODAY, plan=PLAN, described_media=3)

    assert [(line.what, line.price.show()) for line in quoted.lines] == [
        ("post with the link example.com/a", "$0.200"),
        ("alt text of 3 media", "$0.015"),
    ]
    assert quoted.total == Price(215_000, "a link makes this post $0.200; describing media costs $0.015")


@pytest.mark.parametrize(
    ("micros", "shown"),
    [(0, "$0.000"), (1_000, "$0.001"), (200_000, "$0.200"), (1_000_000, "$1.00"), (10_944_000, "$10.94")],
)
def test_prices_show_three_places_under_a_dollar_and_two_above(micros: int, shown: str) -> None:
    assert Price(micros).show() == shown


@given(st.integers(0, 10**12))
def test_dollars_are_exact(micros: int) -> None:
    assert Price(micros).usd * 1_000_000 == micros
    assert isinstance(Price(micros).usd, Decimal)


@given(st.sampled_from(Charge), st.integers(0, 1000), st.dates())
def test_charges_add_up(charge: Charge, times: int, at: date) -> None:
    one, many = price_of(charge, at=at, plan=PLAN), price_of(charge, at=at, plan=PLAN, times=times)

    assert many.micros == one.micros * times
