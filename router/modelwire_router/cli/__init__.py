"""The command line: one module a group of verbs, loaded when the verb is asked for."""
