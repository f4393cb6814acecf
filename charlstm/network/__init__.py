"""The mathematics: cells, layers through time, loss, dropout, optimizers. It knows no text and no file."""
