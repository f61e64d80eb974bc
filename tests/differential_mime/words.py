"""The words that messages are made of, each on a line of its own, with the escapes of a Python string."""

from __future__ import annotations


def _split(text: str, *more: bytes) -> tuple[bytes, ...]:
    lines = [line.encode("latin-1").decode("unicode_escape").encode("latin-1") for line in text[1:-1].split("\n")]
    return (*lines, *more)


# Boundaries that somebody, somewhere, has used.
BOUNDARIES = _split(
    r"""
b
b1
b12
B
=_x
a b
--
-

outer
outer-inner
xxxxxxxxx
yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
q\xfcr
a;b
(c)
simple
""",
    b"z" * 300,
)

# Values of Content-Type.
TYPES = _split(r"""
text/plain
text/plain; charset=utf-8
TEXT/HTML
image/png
application/octet-stream; name="a b"
message/rfc822
Message/RFC822; x=y
message/partial; id=1
message/external-body
message/global
message

;
()
text
/plain
"message"/rfc822
message/"rfc822"
(x)message(y)/(z)rfc822
message /\r\n rfc822
multipart
multipart/mixed
""")

# Values of Content-Transfer-Encoding.
ENCODINGS = _split(r"""
8bit
8bit
8BIT
binary
7bit
base64
quoted-printable
x-unknown
"8bit"
(c) 8bit
8bit (c)
8bit;x

\r\n 8bit
8bit\r\n\tmore
8 bit
binary,8bit
[8bit]
""")

# Whole fields, some folded.
FIELDS = _split(r"""
Subject: plain
Subject : blank before the colon
Subject\t \t: more of it
Subject:
Subject:no blank
Subject: gr\xfc\xdfe
Subject: gr\xc3\xbc\xc3\x9fe
X-Nul: before\x00after
X-Nul: a\x00b\r\n more\x00x
X-Remove: yes
X-Replace: old
X-Prepend: this
X-Folded: one\r\n two\r\n\tthree\r\n  \r\n four
X-Odd!#$%&'*+: name
X-Multi: a\r\n b
X-Warn: w\r\n\tw
Received: from x by y
Delivered-To: x@y.test
Message-ID: <a@local.test>
MIME-Version: 1.0
MIME-Version: 1.0 (x)
Content-Disposition: attachment; filename=x
Content-Description: X-Remove
Content-ID: <x>
Content-Length: 10
Content-Types: text/plain
X-Bad: action
X-Empty: action
X-NoHeader: action
X-Lower: action
X-Strip: s
""")

# What address headers are made of.
ADDRESSES = _split(
    r"""
user@local.test
user+ext@local.test
user@origin.test
u1@example.test
u1+e@example.test
u2+e@example.test
any.one@all.test
any+one@all.test
"john doe"@example.test
john\\ doe@example.test
nobody@nowhere.test
bare
bare+x
<>
<u1@example.test>
U One <u1@example.test>
"U, One" <u1@example.test>
u1@example.test (U One)
(a (nested) b) u1@example.test
U <@a,@b:u1@example.test>
group: u1@example.test, user@local.test;
group:;
u1@example.test u2@example.test
u1 @ example . test
a!b!c
a%b@c.test
u1@[127.0.0.1]
user@[1\\]2]
=?utf-8?q?x?= <u1@example.test>
<u1@example.test
u1@example.test>
<<u1@example.test>>
"unclosed <u1@example.test>
(unclosed u1@example.test
[unclosed
gr\xfcn@example.test
u1@example.test,
,,u1@example.test
;u1@example.test
x:y:u1@example.test;
u1@example.test.
u1@EXAMPLE.test
""@example.test
u1@
@example.test
@
\\
u1@example.test\\
"a\\"b"@example.test
a..b@example.test
.a@example.test
postmaster+x@example.test
owner-u@example.test
Phrase With.Dots <u1@example.test>
<u1 u2@example.test>
<u1@example.test (c) x>
two@results.test
nul@results.test
route@results.test
plain@results.test
phrase@results.test
user(c)@local.test
u1(c)@(d)example.test
dotless@results.test
bang@results.test
percent@results.test
trail@results.test
quoted@results.test
odd@results.test
"u1"@example.test
"a\tb" <u1@example.test>
"a\r\n b" <u1@example.test>
u1@example.test\r\n (fold)
""",
    b"a (" + b"c" * 260 + b") <u1@example.test>",
    b"u1@example.test (" + b"d" * 300 + b")",
    b'"' + b"p" * 251 + b'" <u1@example.test>',
)

# Names of address headers.
ADDRESS_FIELDS = _split(r"""
From
To
Cc
cc
Reply-To
Sender
Resent-From
Resent-To
Errors-To
Return-Receipt-To
Disposition-Notification-To
Mail-Followup-To
Apparently-To
Resent-Reply-To
TO
""")

# Lines of bodies.
LINES = _split(
    r"""

\x20
\t
plain text
trailing blank\x20
trailing tab\t
two blanks \x20
.
..
.dot
=
a=b
=20
gr\xfc\xdfe
gr\xc3\xbc\xc3\x9fe aus K\xc3\xb6ln
--
---
--\x20
--b
--b--
--b1
--b1--
--b-
--outer
--outer--
--simple--
-- b
\x00
a\x00b
\x7f
\x1b[0m
From someone
X-Remove: yes
remove me
replace me
prepend me
\xff\xfe\xfd
=3D
\xa0
\x0b\x0c
.\xfc
""",
    "€".encode() * 20,
)
