"""`python -m charlstm`."""

import gc

gc.set_threshold(50_000)  # what a command imports stays; looking for garbage among it would only take time

from charlstm.cli.main import main  # noqa: E402

if __name__ == "__main__":
    main()
