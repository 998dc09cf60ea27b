"""Test vectors as files of the formats that hardware test stands take; one format a module."""
