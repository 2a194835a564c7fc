"""Where runs are trained: `interface` says what a backend does, `local` and `slurm` do it."""
