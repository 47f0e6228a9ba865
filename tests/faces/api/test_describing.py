"""The description of the API: complete for programs, readable for people."""

import re


def refs(value):
    if isinstance(value, dict):
        yield from ([value["$ref"]] if "$ref" in value else [])
        for inner in value.values():
            yield from refs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from refs(inner)


async def test_every_reference_of_the_description_leads_somewhere(site):
    document = (await site.nobody.get("/api/v1/openapi.json")).json
    assert document["openapi"].startswith("3.1")
    assert document["servers"] == [{"url": site.url}]
    schemas = document["components"]["schemas"]
    named = [ref.removeprefix("#/components/schemas/") for ref in refs(document)]
    assert {"NewPost", "Post", "Problem"} <= set(named)
    assert set(named) <= set(schemas)


async def test_every_operation_has_an_id_of_its_own_and_a_refusal(site):
    document = (await site.nobody.get("/api/v1/openapi.json")).json
    operations = [said for path in document["paths"].values() for said in path.values()]
    ids = [said["operationId"] for said in operations]
    assert len(set(ids)) == len(ids)
    assert {"make_post", "read_post", "list_posts", "cancel_post", "delete_post"} <= set(ids)
    assert all(re.fullmatch("[a-z]+(_[a-z]+)+", one) for one in ids)
    assert all(said["summary"] and said.get("description") for said in operations)
    assert all("application/problem+json" in said["responses"]["default"]["content"] for said in operations)


async def test_no_field_of_any_answer_can_hold_a_secret(site):
    document = (await site.nobody.get("/api/v1/openapi.json")).json
    fields = {
        name for schema in document["components"]["schemas"].values() for name in schema.get("properties", {})
    }
    assert not [name for name in fields if re.search("token|secret|sealed|hash|cookie|verifier", name)]


async def test_the_page_is_plain_and_loads_nothing_from_elsewhere(site):
    page = await site.nobody.get("/api/v1/docs")
    assert page.status == 200
    assert "<h1>API, version 1</h1>" in page.text
    assert "/api/v1/posts/{id}/cancel" in page.text
    loaded = re.findall(r"""(?:src|href)="([^"]*)\"""", page.text)
    assert all(address.startswith(("/", "#")) and not address.startswith("//") for address in loaded)
    assert not re.search(r"<style|<script(?![^>]*\bsrc=)|\son[a-z]+=|\sstyle=", page.text)
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
