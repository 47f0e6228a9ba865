"""Creating and deleting posts."""

import re

from perch.sandbox import charging, drafts, posting, rendering
from perch.sandbox.api import Answer, Call
from perch.sandbox.problems import forbidden, invalid, no_such_path
from perch.sandbox.world import ARRIVAL

_ID = re.compile(r"[0-9]{1,19}")


async def create(call: Call) -> Answer:
    """``POST /2/tweets``: 201 with the text as X rewrote it."""
    draft = drafts.read(await call.json())
    arrival = call.request.scope.get(ARRIVAL, posting.NEAR)
    post = posting.accept(call.world, call.person, call.app, draft, arrival)
    charging.charge_create(call.world, call.app, post)
    return Answer({"data": rendering.created(call.world, post)}, 201)


async def delete(call: Call) -> Answer:
    """``DELETE /2/tweets/{id}``. Of a post already gone X says what ``delete_missing`` sets."""
    world, post_id = call.world, call.path("id")
    if not _ID.fullmatch(post_id):
        raise invalid(f"The `id` query parameter value [{post_id}] is not valid", {"id": [post_id]})
    post = world.live_post(post_id)
    if post is None and world.settings.delete_missing == "404":
        raise no_such_path()
    if post is None:
        return Answer({"data": {"deleted": False}})
    if post.author_id != call.person.id:
        raise forbidden("You are not authorized to delete this Tweet.")
    world.delete_post(post_id)
    charging.charge(world, call.app, charging.POST_DELETE)
    return Answer({"data": {"deleted": True}})
