"""A release as files: the wheels of many targets and the client pinned to them, checked before they appear.

It must not know where the files go afterwards.
"""
