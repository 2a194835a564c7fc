"""`rigorkd run --slurm`: cohorts as the tasks of Slurm job arrays. What counts is the study's own records."""
