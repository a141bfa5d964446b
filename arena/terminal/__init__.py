"""`arena play` on the full screen: mouse and keyboard, analysis, agents that think in a thread of their own.

pointing.py    which moves a point on the board stands for
drawing.py     boards as coloured characters
board.py       the board as a widget: cursor, clicks
side.py        what stands beside the board, as a widget
panel.py       its texts
review.py      the screen that steps through a game
thinker.py     the thread that computes
jobs.py        what it is asked
dialogs.py     questions, a line to type, the help
app.py         the application: keys, turns, what happens next
"""
