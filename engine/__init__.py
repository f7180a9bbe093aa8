"""Berth's engine: a root daemon that runs containers and speaks the Docker Engine API.

Floors, top to bottom; imports go down only (tests/architecture checks it):

    daemon, cli    composition root: the only place that constructs stores, adapters and services
    api            Docker's words: routes, wire formats, versions, streams, status codes
    services       use cases: order, locks, undo, events; the only floor that knows two nouns
    containers, images, networks, volumes, registry, logs
                   values, pure rules, stores, drivers of one noun each; strangers to each other
    runtime, storage
                   crun and conmon; database, blobs, layers, overlay
    kernel         child processes, system calls, netlink, nftables, cgroups
    events, locks  journal and bus; named locks
    errors, ids, refs, values, clock
                   what every floor may use
"""
