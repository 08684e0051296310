"""Serving: bundles over HTTP, as an API, in Perspective's wire format, and as a web page. Never imports torch."""
