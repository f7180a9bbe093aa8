"""POST /commit: an image of what a container has become."""

from __future__ import annotations

from engine.api.router import Call, Reply, Route
from engine.api.wire.config import parse_config
from engine.refs import Reference
from engine.services.commit import Commits, CommitWish


def routes(commits: Commits) -> list[Route]:
    """Return the route."""

    def commit(call: Call) -> Reply:
        reference = None
        if repository := call.text("repo"):
            reference = Reference.parse(repository)
            tag = call.text("tag")
            reference = reference.with_tag(tag) if tag else reference.with_default_tag()
        wish = CommitWish(
            reference=reference,
            comment=call.text("comment"),
            author=call.text("author"),
            pause=call.flag("pause", default=True),
            changes=call.texts("changes"),
            config=parse_config(call.fields()),
        )
        return Reply.json({"Id": commits.commit(call.scope, call.text("container"), wish).id}, 201)

    return [Route("POST", "/commit", commit)]
