"""`arena report RUN`: a training run as one HTML page that needs no network and no other file.

page.py     what stands on the page of a self-play run; alphago.py, on that of AlphaGo's stages
parts.py    what pages are made of
chart.py    lines over an axis, intervals in a row, as SVG
games.py    sample games as data for the viewer
page.css, page.js   looks, and the viewer
"""
