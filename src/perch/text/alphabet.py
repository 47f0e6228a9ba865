r"""The character classes of X's grammar, as the inside of a ``[…]`` in a regular expression.

Source: twitter-text, the library by which X itself finds links and tags (github.com/twitter/twitter-text).
"""

SPACES = r"\x09-\x0D\x20\x85\xA0\u1680\u180E\u2000-\u200A\u2028\u2029\u202F\u205F\u3000"
_OUTSIDE_NAMES = r"!'#%&()*+,\\./:;<=>?@\[\]^{|}~$"
PUNCTUATION = rf"{_OUTSIDE_NAMES}_\-"
DIRECTIONAL_MARKS = r"\u202A-\u202E\u061C\u200E\u200F\u2066-\u2069"
# A byte order mark, its mirror image and a noncharacter: X refuses a post with one of them.
INVALID = r"\uFFFE\uFEFF\uFFFF"
LATIN_ACCENTS = (
    r"\xC0-\xD6\xD8-\xF6\xF8-\u024F\u0253\u0254\u0256\u0257\u0259\u025B\u0263\u0268\u026F\u0272\u0289\u028B"
    r"\u02BB\u0300-\u036F\u1E00-\u1EFF"
)
CYRILLIC = r"\u0400-\u04FF"
# What stands in no domain name, and what its labels neither begin nor end with.
NOT_IN_LABEL = f"{_OUTSIDE_NAMES}{SPACES}{INVALID}{DIRECTIONAL_MARKS}"
NOT_A_LETTER = f"{PUNCTUATION}{SPACES}{INVALID}{DIRECTIONAL_MARKS}"
