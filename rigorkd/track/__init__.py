"""Tracking: finished and running runs shown in Weights & Biases, behind a small interface. Imports no torch.

tracker.py          the interface: what a run is to a tracker
in_memory.py        a tracker that keeps everything in memory, for tests and for a look at what would be sent
wandb_tracker.py    the real one; the only file that imports wandb
ledger.py           what was already sent, so that nothing is sent twice
sending.py          replay finished records
live.py, follower.py   follow a launch from a process of its own, which can neither slow nor break it
"""
