"""What is told of requests: plain values that travel to worker processes.

WatchSettings(log="json", queries=False, otel=False)
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """`log`: how each request is logged; "" is text on a terminal and JSON elsewhere.

    `queries`: whether addresses and what was asked are logged, too.  `otel`: whether requests are traced even where no
    environment variable names a collector.
    """

    log: Literal["json", "text", "off", ""] = ""
    queries: bool = False
    otel: bool = False
