"""`arena gtp`: any player at any Go GUI, over the Go Text Protocol, version 2 (Farnebäck 2002, draft 2), with the extensions of
KGS, Leela Zero and KataGo that GUIs use.

    protocol.py   lines in, answers out
    words.py      what a command's words mean
    board.py      the game under way
    seat.py       the player at that board, and the clocks
    analysis.py   what a search has found, as Leela Zero and KataGo write it
    engine.py     the commands

Every command answers, and nothing that is typed ends the engine but `quit`. docs/GTP.md lists the commands.
"""
