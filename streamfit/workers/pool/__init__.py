"""Pools of workers: the contract, the scheduler, ordered runs, and the kinds of pools."""
