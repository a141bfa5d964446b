"""`arena analysis`: positions of Go searched for scripts and GUIs, asked and answered in lines of JSON, in the form of KataGo's
analysis engine (github.com/lightvector/KataGo, docs/Analysis_Engine.md).

    query.py    what a line asks for, checked
    report.py   what a search has found, as JSON
    desk.py     searches of one game side by side
    engine.py   the queries: what waits, what is searched, what is answered

docs/GTP.md lists the fields.
"""
