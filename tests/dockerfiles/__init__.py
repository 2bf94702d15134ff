"""Dockerfiles for tests, and BuildKit's own parser as their judge."""
