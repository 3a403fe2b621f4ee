"""Who may do what: keys, tokens, scopes and rates, asked once for each request before anything else sees it."""


class AccessError(ValueError):
    """Something that access control needs cannot be used; the text says which file, what is wrong and what it needs."""
