"""The discovery document, of which Google's client libraries make a client of Perspective's API."""

import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

VERSION = "v1alpha1"
SUGGESTIONS = ("SuggestCommentScoreRequest", "SuggestCommentScoreResponse")


def discovery_document(address: str, attributes: Sequence[str], *, suggestions: bool) -> dict[str, Any]:
    """Google's discovery document (its format v1) for a server at an address, which ends in "/".

    Names and types are those of the public one of Perspective, but for what isn't served: OAuth, and `suggestscore`
    where `suggestions` are not kept.
    """
    written = resources.files("foreshot.perspective").joinpath("discovery.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(written)
    found["rootUrl"] = found["baseUrl"] = address
    asked = found["schemas"]["AnalyzeCommentRequest"]["properties"]["requestedAttributes"]
    asked["description"] = f"Of these: {', '.join(attributes)}."
    if not suggestions:
        del found["resources"]["comments"]["methods"]["suggestscore"]
        for name in SUGGESTIONS:
            del found["schemas"][name]
    return found
