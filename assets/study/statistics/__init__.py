"""Statistics of the study: estimators on plain arrays of numbers.

Belongs here: what needs no table, no platform and no file. `values` says what numbers are
accepted and how a sample is counted by value; `descriptives` and `concentration` describe one
sample, `correlation` several features of one, `two_sample` and `bootstrap` compare two, `exposure`
brings in time, `multiplicity` adjusts a family of tests.
Does not belong here: which columns are compared (`assets.study.comparison`), samples drawn by
design (`assets.study.estimators`), and how a figure is shown.

Unknown values are refused, never dropped: how many are unknown is a result of its own, which only
the caller can count.
"""
