"""rigorkd: which knowledge-distillation gains are real.

A protocol file declares teacher, students, distillation grid and seeds; rigorkd runs every cell over every
seed and says which differences hold. The command line (`rigorkd --help`) is the front door; the statistics
alone are the separate package `rigorkd_analysis`.
"""

__version__ = "0.1.0"
