"""Which version answers an event: a pure function of documents, key, attributes and place."""
