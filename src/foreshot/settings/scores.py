"""How stored scores are named: by a column, or by the way to an attribute in the answers of Perspective's API."""

WRAPPING = frozenset({"response", "perspective", "attributescores", "summaryscore", "score", "scores", "value"})
"""What stands around an attribute in the API's answers: response.attributeScores.TOXICITY.summaryScore.value."""
ATTRIBUTES = "attributescores"
"""What the API's answers hold the attributes in, whatever the answers are in."""


def attribute_of(path: str) -> str:
    """The attribute that a nested field is about: TOXICITY of attributeScores.TOXICITY.summaryScore.value."""
    parts = path.split(".")
    folded = [part.casefold() for part in parts]
    begin = folded.index(ATTRIBUTES) + 1 if ATTRIBUTES in folded else 0
    return ".".join(part for part in parts[begin:] if part.casefold() not in WRAPPING)


def output_name(asked: str) -> str:
    """What an output is called that learns a score: of a way into the API's answers, the attribute."""
    return attribute_of(asked) or asked
