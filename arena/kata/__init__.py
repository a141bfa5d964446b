"""KataGo's words for rules and for what a search finds (github.com/lightvector/KataGo, docs/GTP_Extensions.md and
docs/Analysis_Engine.md), which the Go Text Protocol's extensions and the analysis engine share."""
