"""From the runtime's own JSON schema to the typed protocol layer of the client.

`schema` has the runtime print it, `normalise` turns it into the few shapes of `shapes`, `layer` says which module each
belongs to, and the ``render_*`` modules write Python. Only names, types and structure pass through: no prose does.
"""
