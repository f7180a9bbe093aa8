"""The web tier: accounts, teams, the guarded way to engines, live streams; unprivileged, gevent.

    cli > server > factory > gateway | realtime > services > audit > client | models | access > errors

`factory.create_app` puts the parts together; `cli.run` is what `app.py web` calls, after the monkey patch.
"""
