"""Doors for other people's sync clients: each speaks its client's protocol over the cores of `/sync/v1`.

State is read only. What a client writes into it is a suggestion that the office decides on, and the server's
version returns. The one collection that a client may write is `intents`; a row's id is the intent's.
"""
