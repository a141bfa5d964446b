"""`arena play` on the full screen: mouse and keyboard, analysis, agents that think in a thread of their own.

pointing.py    which moves a point on the board stands for
drawing.py     boards as coloured characters
board.py       the board as a widget: cursor, clicks
side.py        what stands beside the board, as a widget
panel.py       its texts
territory.py   Go: whose each point will be
thinker.py     the thread that computes
jobs.py        what it is asked
turns.py       the game under way: whose turn, what to ask next, what comes of the answers
page.py        the game under way as it is shown
review.py      the screen that steps through a game
dialogs.py     questions, a line to type, the help
app.py         the application: what the keys do
"""
