"""Bringing every tenant's schema to the state that this release of the code expects.

``lag`` finds who is behind, ``rendering`` lets Django migrate one tenant and writes down what it
sent, ``replay`` sends the same to the others, ``running`` does it in order, and ``serving`` says
whether a tenant that stayed behind can be served.
"""
