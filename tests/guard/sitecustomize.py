"""Puts the guard into each Python process that a test starts; found through PYTHONPATH."""

import network_guard

network_guard.install()
