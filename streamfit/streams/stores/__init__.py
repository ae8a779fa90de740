"""Stores: samples in files that are read block by block, one file for each format."""
