"""The mathematics: cells, layers through time, loss, optimizers. Knows no text and no file."""
