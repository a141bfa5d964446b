"""AlphaGo as published in 2016 (Silver et al., Nature 529), stage by stage, from game records to the table of strengths.

settings.py     the experiment: one section a stage
records.py      stage 0: game records, or a teacher's games (teacher.py), become positions
store.py        positions as the games they are of, on disk
fit.py          a network learns a store: the supervised policy, the value network
reinforce.py    the policy plays its earlier selves and learns from the results
values.py       the value network's positions, each from a game of its own
table.py        the comparison at the end
pipeline.py     the stages in order, each resumable, each a run of one W&B group
spent.py        the time and energy of a stage over all its resumptions
"""
