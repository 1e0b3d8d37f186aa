"""The client for asyncio: the same fronts as `sync`, under the same file names, and a driver that lives in the loop."""
