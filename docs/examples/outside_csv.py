# %% [markdown]
# # An outside CSV, step by step
#
# The statistics need neither a protocol nor a run: a table with one row per run is enough. This page analyses
# the published per-seed results of a study of how a student's capacity moderates distillation (arXiv
# 2605.31191, five seeds on CIFAR-10). It is a script in percent format, docs/examples/outside_csv.py: open it
# in an editor that shows cells, or run it from the repository's root. What stands below its cells is printed
# while this site is built.
#
# ## The table

# %%
from textwrap import fill

import pandas as pd
from rigorkd_analysis import Plan, analyze

runs = pd.read_csv("analysis/published/kd_capacity_gap_runs.csv")
print(runs[["student", "cell", "method", "seed", "test_top1"]].head(3).to_string(index=False))
print(f"{runs['cell'].nunique()} cells, {runs['seed'].nunique()} seeds")

# %% [markdown]
# ## Ask
#
# Name the smallest effect that would matter to you before you look: here 0.2 points. Every distilled cell is
# then judged against the baseline of its student, paired by seed, and Holm's correction keeps the family's
# error at 5 %.

# %%
result = analyze(runs, Plan(metric="test_top1", sesoi=0.2))
gains = result.family("gains")
for comparison in gains.comparisons:
    low, high = comparison.ci_low, comparison.ci_high
    print(
        f"{comparison.a:36} {comparison.mean_diff:+.2f}  [{low:+.2f}, {high:+.2f}]  "
        f"p {comparison.p:.3f}  Holm {comparison.p_adjusted:.3f}  {comparison.verdict}"
    )

# %% [markdown]
# ## Read one verdict
#
# `inconclusive` is never "no difference". The sentence says what these seeds can detect.

# %%
strongest = min(gains.comparisons, key=lambda comparison: comparison.p)
print(fill(strongest.says, 92))

# %% [markdown]
# ## What would it take?
#
# Seeds are planned for the effect that matters, never for the difference that was observed.

# %%
for comparison in gains.comparisons[:3]:
    print(
        f"{comparison.a:36} sd of differences {comparison.sd_diff:.2f}, detects {comparison.mde:.2f}, "
        f"needs {comparison.seeds_needed} seeds for 0.2 points"
    )

# %% [markdown]
# ## The settings of each method together
#
# Four gains that are not significant one by one may still be clear together, or not.

# %%
for method in gains.by_method:
    print(fill(method.says, 92))

# %% [markdown]
# ## The same from a terminal
#
#     rigorkd analyze analysis/published/kd_capacity_gap_runs.csv --metric test_top1 --sesoi 0.2
#     rigorkd report analysis/published/kd_capacity_gap_runs.csv --sesoi 0.2
