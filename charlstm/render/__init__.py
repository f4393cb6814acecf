"""Views as text: nothing here looks into a network, nothing below here knows of a screen."""
