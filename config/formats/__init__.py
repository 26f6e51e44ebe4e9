"""How pages show days and times: ``en_GB`` is the name under which Django looks for it."""
