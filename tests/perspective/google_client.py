"""Google's own client for Perspective's API, at another address."""

from typing import Any

from googleapiclient.discovery import build


def google_client(address: str, key: str) -> Any:
    """A client that asks the address what it can be asked, and asks it with a key."""
    return build(
        "commentanalyzer",
        "v1alpha1",
        developerKey=key,
        discoveryServiceUrl=f"{address}/$discovery/rest?version=v1alpha1",
        static_discovery=False,
        cache_discovery=False,
    )
