"""The release report: what was built, published and rehearsed, left beside the files as data, as a page, as a summary.

`model` is the data (``release.json``), `observe` reads finished files, `page` and `summary` show it (``release.html``;
Markdown for a CI job), `store` reads, merges and writes. Commands need only `store`.
"""
