"""`python -m charlstm`."""

import atexit
import gc

# What a command imports stays until it ends. Looking for garbage among it would only take time: now, and at the end.
gc.set_threshold(50_000)
atexit.register(gc.freeze)

from charlstm.cli.main import main  # noqa: E402

if __name__ == "__main__":
    main()
