"""What every package uses: errors, settings, arrays by name, random streams. Knows nothing of networks or texts."""
