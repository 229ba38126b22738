"""The interpreter of a process that works on small batches with a client that has a thread."""

import gc
import sys

# By default a thread that computes keeps the others waiting for 5 ms, each time.
_SWITCH_SECONDS = 0.0005


def tune_interpreter() -> None:
    """Call it once everything is there that lives as long as the process.

    The garbage collector spares that: by default it looks at everything again for each few hundred
    new objects, a sixth of the time, though records leave nothing for it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
    sys.setswitchinterval(_SWITCH_SECONDS)
