"""What a package index has, and what pip would make of it: the simple API, read from outside.

`listing` understands a project's page, `client` fetches it, `attestations` reads who vouches for a file, `configured`
finds out which index is meant, `resolution` asks pip what it would install from that index alone. Nothing here writes
to an index, and no index is named here.
"""
