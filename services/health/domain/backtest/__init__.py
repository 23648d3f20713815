"""Would this profile have seen the losses coming? History replayed point in time."""
