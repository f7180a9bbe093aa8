"""Builds as a noun: the Dockerfile language, what a context ignores, plans and cache keys; runs nothing itself."""
