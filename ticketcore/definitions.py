"""What each category and priority means, in words: for the language model, and as help in the form.

A desk says its own by `DESK_CATEGORIES_HELP`; what it does not say is as it stands here.
"""

STANDARD = {
    "billing": "charges, invoices, payments, refunds, plans and prices",
    "technical": "something in the product fails, is slow, or needs technical explanation",
    "account": "signing in, passwords, profiles, users and their permissions",
    "general": "everything else",
    "critical": "an outage, lost data or a breach of security; many people cannot work",
    "high": "someone cannot work and knows no way around it",
    "medium": "a problem that hinders work but can be worked around",
    "low": "a question, a wish or a flaw in looks",
}
"""The categories, then the priorities from the most severe."""

LONGEST = 500
"""Characters of one definition."""


def own(text: str) -> dict[str, str]:
    """All definitions, with those of the desk: `billing=invoices, refunds; critical=production stands still`.

    Raises:
        ValueError: a part has no `=`, names nothing that can be defined, or names it twice; or is too long.
    """
    said: dict[str, str] = {}
    for part in text.split(";"):
        name, separator, meaning = (piece.strip() for piece in part.partition("="))
        if not (name or meaning):
            continue  # after the last semicolon
        if not separator or name not in STANDARD or not meaning or name in said:
            raise ValueError(
                "must name categories or priorities with their meanings, each once and with semicolons between "
                "them, as in billing=invoices, refunds; critical=production stands still"
            )
        if len(meaning) > LONGEST:
            raise ValueError(f"must have {LONGEST} characters a meaning at the most")
        said[name] = " ".join(meaning.split())
    return {**STANDARD, **said}
