import pytest
from chaos.plan import BadPlan, Plan, wishes


def test_the_same_seed_wishes_the_same():
    first, again, other = (list(wishes(Plan(posts=50, seed=seed))) for seed in (1, 1, 2))
    assert first == again != other


def test_every_text_is_unlike_every_other():
    texts = [text for wish in wishes(Plan(posts=2000)) for text in wish.texts]
    assert len(set(texts)) == len(texts)


def test_variables_that_are_empty_or_missing_leave_the_default():
    assert Plan.read({"POSTS": "", "DB": ""}) == Plan()
    assert Plan.read({"POSTS": "7", "DB": "postgres"}) == Plan(posts=7, base="postgres")


@pytest.mark.parametrize("variables", [{"POSTS": "many"}, {"KILLS": "-1"}, {"DB": "oracle"}])
def test_a_plan_that_makes_no_sense_is_refused(variables):
    with pytest.raises(BadPlan):
        Plan.read(variables)
