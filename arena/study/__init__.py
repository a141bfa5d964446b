"""`arena study`: the course's themes asked of trained agents and of game records, one module a theme.

blackbox.py    why this move? occlusion, saliency, integrated gradients, attention; and whether to believe them
bias.py        for whom is an agent better? by colour, symmetry, game phase, player rank, source
neighbours.py  which recorded positions does a network hold to be alike?
generate.py    positions out of a variational auto-encoder, games continued by a recurrent network
openings.py    how games begin, in clusters
compress.py    strength against milliseconds and megabytes: pruning, int8, distillation

What they share: `positions.py` (positions of records and of an agent's own games), `inspect.py` (a network opened up),
`boards.py` (boards in figures), `report.py` (pictures, tables, a page and W&B). The packages are the extra `study`.
"""
