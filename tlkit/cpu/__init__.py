"""Threads, memory and convolutions of the processor."""
