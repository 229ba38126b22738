"""Logs of the processes: a JSON object a line, on standard output."""

import logging
import sys

import structlog

# What these say below a warning is of interest to their own developers only.
_QUIET = ("kafka", "py4j", "apache_beam")


def configure_logs() -> None:
    """Send every log record of this process, warnings of libraries included, to standard output."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.format_exc_info,
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    # It warns whenever a callback takes 0.1 s, which on a busy machine is always.
    logging.getLogger("kafka.net.selector").setLevel(logging.ERROR)
