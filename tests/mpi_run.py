"""What a test starts under mpirun: train, and let the first rank print the losses."""

import json
import sys

from shared_work import run

from charlstm.training.team import join_world

if __name__ == "__main__":
    with join_world(mpi=True) as team:
        if sys.argv[1] == "broken" and team.rank == 1:
            raise RuntimeError("this rank is broken")
        losses, weights = run(team, "streams" if sys.argv[1] == "broken" else sys.argv[1])
        if team.rank == 0:
            print(json.dumps({"size": team.size, "losses": losses, "weights": weights.flat.tobytes().hex()}))
