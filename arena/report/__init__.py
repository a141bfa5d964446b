"""`arena report RUN`: a training run as one HTML page that needs no network and no other file.

page.py     what stands on the page
chart.py    lines over an axis, as SVG
games.py    sample games as data for the viewer
page.css, page.js   looks, and the viewer
"""
