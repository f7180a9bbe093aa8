"""Berth's own API below /api/v1: blueprints and their models."""
