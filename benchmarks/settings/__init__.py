"""One module of settings for each contestant that needs its own."""
