"""The OpenAPI document that a custom GPT imports as its action: small, inline, every description short."""

from typing import Any

_ERROR: dict[str, Any] = {
    "description": "Not posted, or not known. Tell the person the message.",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {
                    "error": {"type": "string"},
                    "message": {"type": "string"},
                    "receipt_url": {"type": "string", "description": "Where to see what becomes of it."},
                },
            }
        }
    },
}
_POSTED: dict[str, Any] = {
    "description": "The post is live.",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {
                    "message": {"type": "string"},
                    "tweet_id": {"type": "string"},
                    "tweet_text": {"type": "string"},
                    "tweet_url": {"type": "string", "description": "Show this link to the person."},
                },
            }
        }
    },
}
_TWEET: dict[str, Any] = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "description": "The post, 280 characters at most as X counts them."},
        "media_url": {
            "type": "string",
            "description": "Public https address of one image, GIF or MP4 video to attach.",
        },
    },
}


def describe(origin: str) -> dict[str, Any]:
    """One operation; ChatGPT asks the person before each call, as it is marked consequential."""
    operation = {
        "operationId": "postTweet",
        "summary": "Publish a post on X now",
        "description": "Publishes once and answers with the link. On 504 do not call again with other words:"
        " the post may still go out, see receipt_url.",
        "x-openai-isConsequential": True,
        "security": [{"token": []}],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _TWEET}}},
        "responses": {"200": _POSTED, "default": _ERROR},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Perch", "version": "1", "description": "Publishes to X through Perch."},
        "servers": [{"url": origin}],
        "paths": {"/postTweet": {"post": operation}},
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}, "schemas": {}},
    }
