"""Where an artifact's bytes go: into the record, onto the log, into a folder or an object store."""
