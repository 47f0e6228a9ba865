"""What it costs: X's prices, in thousandths of a dollar, charged to the app for every accepted request."""

from collections.abc import Iterable

from perch.sandbox.models import App, Person, Post
from perch.sandbox.problems import out_of_credits
from perch.sandbox.world import World

# https://docs.x.com/x-api/getting-started/pricing
POST_CREATE = 15
POST_CREATE_WITH_URL = 200
POST_DELETE = 10
POST_READ = 5
USER_READ = 10
OWNED_READ = 1
MEDIA_METADATA = 5
DAY_MS = 86_400_000


def require(world: World, app: App) -> None:
    """Refuse when nothing is left. The last accepted request may take the balance a little below zero."""
    if balance(world, app) <= 0:
        raise out_of_credits(app.account_id)


def balance(world: World, app: App) -> int:
    """What the app has left."""
    return round(world.settings.credits * 1000) - world.spent.get(app.client_id, 0)


def charge(world: World, app: App, mills: int) -> None:
    """Take it from the balance."""
    world.spent[app.client_id] = world.spent.get(app.client_id, 0) + mills


def charge_create(world: World, app: App, post: Post) -> None:
    """A link makes it dear. Whether the link of attached media counts is unknown; here it does not."""
    charge(world, app, POST_CREATE_WITH_URL if post.links else POST_CREATE)


def charge_posts(world: World, app: App, posts: Iterable[Post], *, owned: bool = False) -> None:
    """Each post once per app and UTC day."""
    for post in posts:
        _charge_once(world, app, f"post/{post.id}", OWNED_READ if owned else POST_READ)


def charge_user(world: World, app: App, person: Person) -> None:
    """A person read, once per app and UTC day."""
    _charge_once(world, app, f"user/{person.id}", USER_READ)


def _charge_once(world: World, app: App, resource: str, mills: int) -> None:
    today = world.now() // DAY_MS
    if today != world.reads_day:
        world.reads_day = today
        world.reads_paid.clear()
    if (app.client_id, resource) not in world.reads_paid:
        world.reads_paid.add((app.client_id, resource))
        charge(world, app, mills)
