"""Threads, memory and convolutions on the CPU."""
