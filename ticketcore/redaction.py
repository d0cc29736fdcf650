"""What is masked before a text leaves the desk for a language model: what names or opens something of a person's own.

E-mail addresses, card numbers (13 to 19 digits that satisfy the Luhn check of ISO/IEC 7812-1), telephone numbers, and
keys by the forms that their issuers give them. Names and what else only a reader would find stay.
"""

import re

from phonenumbers import Leniency, PhoneNumberMatcher

EMAIL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])")
KEYS = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*"),  # a JSON Web Token (RFC 7519)
    re.compile(r"\b(?:sk|pk|rk)[-_][\w-]{16,}"),  # OpenAI, Stripe
    re.compile(r"\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{20,})"),  # GitHub, GitLab
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),  # Amazon
    re.compile(r"\bAIza[\w-]{30,}"),  # Google
    re.compile(r"\bxox[abeoprs]-[\w-]{10,}"),  # Slack
    re.compile(r"\bdesk_\d+_[\w-]{43}"),  # this desk
)
URL_SECRET = re.compile(r"(?<=://)[^/\s:@]{1,200}:[^/\s@]{1,200}(?=@)")
"""The user and password of an address."""

SAID = re.compile(
    r"(?i)\b(pass(?:word|wd|phrase|code)|secret|api[ _-]?key|token)(\s{0,3}[:=]\s{0,3}|\s{1,3}is\s{1,3}(?=\S*\d))"
    r"(\"[^\"\n]+\"|'[^'\n]+'|\S+)"
)
"""A secret that is announced as one."""


def redacted(text: str) -> str:
    """The text with `[e-mail]`, `[card]`, `[phone]` and `[key]` where such a thing stood."""
    for key in KEYS:
        text = key.sub("[key]", text)
    text = URL_SECRET.sub("[key]", text)
    text = SAID.sub(r"\1\2[key]", text)
    text = EMAIL.sub("[e-mail]", text)
    text = CARD.sub(lambda found: "[card]" if _is_card(found[0]) else found[0], text)
    return _without_phones(text)


def _is_card(number: str) -> bool:
    """Whether the digits satisfy the Luhn check."""
    digits = [int(digit) for digit in number if digit.isdigit()][::-1]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0 and any(digits)


def _without_phones(text: str) -> str:
    """International numbers, and national ones of some countries, where these are assigned."""
    found: set[tuple[int, int]] = set()
    for region in (None, "US", "GB", "DE", "FR"):
        matcher = PhoneNumberMatcher(text, region, leniency=Leniency.VALID, max_tries=1_000)
        found |= {(match.start, match.end) for match in matcher}
    end = len(text) + 1
    for start, stop in sorted(found, reverse=True):
        if stop <= end:
            text, end = f"{text[:start]}[phone]{text[stop:]}", start
    return text
