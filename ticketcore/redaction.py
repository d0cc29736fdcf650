"""What is masked before a text leaves the desk for a language model: what names or opens something of a person's own.

E-mail addresses, card numbers (13 to 19 digits that satisfy the Luhn check of ISO/IEC 7812-1), telephone numbers, and
keys by the forms that their issuers give them. Names and what else only a reader would find stay.
"""

import re

from phonenumbers import Leniency, PhoneNumberMatcher

EMAIL = re.compile(r"[\w.!#$%&'’*+/=?^`{|}~-]{1,64}[@＠][\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
DIGITS = re.compile(r"\d+", re.ASCII)
CARD_DIGITS = (13, 19)
BETWEEN = re.compile(r"[\s.\-_/\u00a0\u2010-\u2015]{1,2}")
"""What may stand between the groups of digits of one card number."""

KEYS = (
    re.compile(
        r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\Z)", re.DOTALL
    ),
    re.compile(r"\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*"),  # a JSON Web Token (RFC 7519)
    re.compile(r"\b(?:sk|pk|rk|whsec|npm|hf)[-_][\w-]{16,}"),  # OpenAI, Stripe, npm, Hugging Face
    re.compile(r"\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{20,})"),  # GitHub, GitLab
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),  # Amazon
    re.compile(r"\bAIza[\w-]{30,}"),  # Google
    re.compile(r"\bxox[abeoprs]-[\w-]{10,}"),  # Slack
    re.compile(r"\bSG\.[\w-]{10,}\.[\w-]{10,}"),  # SendGrid
    re.compile(r"\bdesk_\d+_[\w-]{43}"),  # this desk
)
URL_SECRET = re.compile(r"(?<=://)[^/\s:@]{1,200}:[^/\s@]{1,200}(?=@)")
"""The user and password of an address."""

SAID = re.compile(
    r"(?i)((?:pass(?:word|wd|wort|phrase|code)|kennwort|pwd|secret|api[ _-]?key|access[ _-]?key|token)"
    r"[\w-]{0,20}[\"']?(?:\s{0,3}(?:is\s{0,3})?[:=]\s{0,3}|\s{1,3}is\s{1,3}(?=\S*\d)))"
    r"(\"[^\"\n]+\"|'[^'\n]+'|[^\s,;}\"']+)"
)
"""A secret that is announced as one."""

HEADER = re.compile(r"\b(Bearer|Basic)\s{1,3}[\w.~+/=-]{8,}")
"""What opens something over HTTP (RFC 9110, 11.4)."""


def redacted(text: str) -> str:
    """The text with `[e-mail]`, `[card]`, `[phone]` and `[key]` where such a thing stood."""
    for key in KEYS:
        text = key.sub("[key]", text)
    text = URL_SECRET.sub("[key]", text)
    text = HEADER.sub(r"\1 [key]", text)
    text = SAID.sub(r"\1[key]", text)
    text = EMAIL.sub("[e-mail]", text)
    return _without_phones(_without_cards(text))


def _without_cards(text: str) -> str:
    """Of neighbouring groups of digits, those that make up a card number together, whatever stands beside them."""
    groups = list(DIGITS.finditer(text))
    found: list[tuple[int, int]] = []
    first = 0
    while first < len(groups):
        last = _end_of_card(text, groups, first)
        if last is None:
            first += 1
        else:
            found.append((groups[first].start(), groups[last].end()))
            first = last + 1
    for start, end in reversed(found):
        text = f"{text[:start]}[card]{text[end:]}"
    return text


def _end_of_card(text: str, groups: list[re.Match[str]], first: int) -> int | None:
    """The last group of the longest card number that begins with this one."""
    number, longest = "", None
    for place in range(first, len(groups)):
        if place > first and not BETWEEN.fullmatch(text, groups[place - 1].end(), groups[place].start()):
            break
        number += groups[place][0]
        if len(number) > CARD_DIGITS[1]:
            break
        if len(number) >= CARD_DIGITS[0] and _is_card(number):
            longest = place
    return longest


def _is_card(number: str) -> bool:
    """Whether the digits satisfy the Luhn check."""
    digits = [int(digit) for digit in number][::-1]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0 and any(digits)


def _without_phones(text: str) -> str:
    """International numbers that are well-formed, and national ones of some countries that are assigned."""
    found: set[tuple[int, int]] = set()
    for region in (None, "US", "GB", "DE", "FR"):
        leniency = Leniency.VALID if region else Leniency.POSSIBLE
        matcher = PhoneNumberMatcher(text, region, leniency=leniency, max_tries=1_000)
        found |= {(match.start, match.end) for match in matcher}
    end = len(text) + 1
    for start, stop in sorted(found, reverse=True):
        if stop <= end:
            text, end = f"{text[:start]}[phone]{text[stop:]}", start
    return text
