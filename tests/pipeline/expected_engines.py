"""Engines that a run has whatever its recipe says; the others come by request."""

from __future__ import annotations

from naetrigger.pipeline import engines

ALWAYS = {name for name in engines.ENGINES if name != "rtlsim" and not name.startswith("hls_")}
