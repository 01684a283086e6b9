"""Tests on real servers, which the suite starts itself."""
