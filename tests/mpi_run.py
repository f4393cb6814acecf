"""What a test starts under mpirun: train, and let the first rank print the losses."""

import json
import sys

from shared_work import run

from charlstm.parallel.mpi import mpi

if __name__ == "__main__":
    with mpi() as team:
        losses, weights = run(team, sys.argv[1])
        if team.rank == 0:
            print(json.dumps({"size": team.size, "losses": losses, "weights": weights.flat.tobytes().hex()}))
