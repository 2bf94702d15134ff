"""Short Dockerfiles, one for each construct that a scanner can get wrong."""

from __future__ import annotations

READABLE: dict[str, str] = {
    "plain": "FROM alpine\nRUN make\n",
    "no newline at the end": "FROM alpine\nRUN make",
    "syntax directive": "# syntax=docker/dockerfile:1\nFROM alpine\n",
    "escape directive": "# escape=`\nFROM alpine\nRUN a `\n  b\nRUN c\\\nRUN d\n",
    "escape after syntax": "#syntax=x\n#  Escape = `\nFROM a\nRUN a `\n b\n",
    "escape, then syntax": "# escape=`\n# syntax=x\nFROM a\nRUN a `\n b\n",
    "escape after a comment is a comment": "# hello\n# escape=`\nFROM a\nRUN a `\nRUN b\n",
    "escape after a blank line is a comment": "\n# escape=`\nFROM a\nRUN a `\nRUN b\n",
    "escape after an instruction is a comment": "FROM a\n# escape=`\nRUN a `\nRUN b\n",
    "an unknown directive ends them": "# colour=red\n# escape=`\nFROM a\nRUN a `\nRUN b\n",
    "byte order mark": "\ufeffFROM alpine\nRUN make\n",
    "byte order mark before a directive": "\ufeff# escape=`\nFROM a\nRUN a `\n b\n",
    "line ends of Windows": "FROM alpine\r\nRUN a \\\r\n  b\r\n\r\n# c\r\nCMD x\r\n",
    "a lone carriage return": "FROM alpine\nRUN a\rb\nRUN c \\\r\n d\rRUN e\n",
    "carriage return after the escape, with blanks": "FROM a\nRUN b \\ \t\r\n c\n",
    "tabs": "FROM\talpine\tAS\tone\n\tRUN\tmake\t\\\n\t\tall\n\tCOPY\ta\tb\n",
    "lower case": "from alpine as one\nrun make\nonbuild copy a b\nhealthcheck cmd x\n",
    "mixed case": 'From alpine As One\nRuN make\ncMd ["x"]\n',
    "blank lines between": "\n\nFROM alpine\n\n   \n\t\nRUN make\n\n",
    "form feed, vertical tab, other spaces": (
        "FROM a\n\x0cRUN b\n\x0bRUN c\n\xa0RUN d\n\u2028RUN e\x85\n"
    ),
    "separators of files, which are no blanks": "FROM a\nRUN b\x1c\nENV X=a\x1fb\n",
    "comment in a continuation": "FROM a\nRUN a \\\n# one\n   # two\n  && b\n",
    "comment in a continuation ends with an escape": "FROM a\nRUN a \\\n# one \\\n  && b\nRUN c\n",
    "blank line in a continuation": "FROM a\nRUN a \\\n\n  && b \\\n   \n\t\n  && c\nRUN d\n",
    "blank lines of Windows in a continuation": "FROM a\r\nRUN a \\\r\n\r\n  && b\r\n",
    "continuation up to the end of the file": "FROM a\nRUN b \\\n",
    "continuation at the very end": "FROM a\nRUN b \\",
    "continuation, then comments up to the end": "FROM a\nRUN b \\\n# c\n\n",
    "blanks after the escape": "FROM a\nRUN b \\  \t\n  c\n",
    "a word in two lines": "FROM a\nRUN mak\\\ne all\nEN\\\nV A=1\n",
    "an escape before a blank that isn't its own": "FROM a\\\v\nRUN a \\\n b\\\v\n",
    "two escapes at a line's end": "FROM a\nRUN a \\\\\nRUN b\n",
    "three escapes at a line's end": "FROM a\nRUN a \\\\\\\nRUN b\n",
    "an escape before the instruction": "FROM a\n\\\nRUN b\n",
    "a hash in a line": "FROM a\nRUN a # b \\\n  c\nENV A=1 B=#2\n",
    "heredoc": "FROM a\nRUN <<EOF\nmake\nmake install\nEOF\nRUN b\n",
    "heredoc that a program reads": "FROM a\nRUN python3 <<EOF\nprint('FROM b')\nEOF\n",
    "quoted heredoc": "FROM a\nRUN <<'EOF'\n$X\nEOF\nRUN <<\"E F\"\nx\nE F\n",
    "partly quoted heredoc": "FROM a\nRUN cat <<E'O'F <<\\A <<B\"C\"\nx\nEOF\ny\nA\nz\nBC\n",
    "heredoc with tabs off": "FROM a\nRUN <<-EOF\n\tmake\n\t\tEOF\nRUN b\n",
    "tabs before a closing word that doesn't take them": "FROM a\nRUN <<EOF\n\tEOF\nEOF\n",
    "blank after a word that would close": "FROM a\nRUN <<EOF\nEOF \nEOF\n",
    "two heredocs on a line": "FROM a\nCOPY <<ONE <<TWO /there/\n1\nONE\n2\nTWO\nRUN x\n",
    "heredoc on ADD": "FROM a\nADD <<a.txt /a\nhello\na.txt\n",
    "heredoc with a file descriptor": "FROM a\nRUN cat 3<<EOF <&3\nx\nEOF\n",
    "empty heredoc": "FROM a\nRUN <<EOF\nEOF\n",
    "heredoc behind a continuation": (
        "FROM a\nRUN a \\\n # c\n && cat <<EOF \\\n > b\nx\nEOF\nRUN c\n"
    ),
    "heredoc of a directive's escape": "# escape=`\nFROM a\nRUN cat <<EOF `\n > b\nx `\nEOF\n",
    "heredoc in which everything looks like something": (
        "FROM a\nRUN <<EOF\nFROM b\n# c\n\nRUN d \\\nEOF\nCMD e\n"
    ),
    "heredoc of Windows": "FROM a\r\nRUN <<EOF\r\nx\r\nEOF\r\nRUN b\r\n",
    "heredoc that closes with the file": "FROM a\nRUN <<EOF\nx\nEOF",
    "no heredoc on other instructions": "FROM a\nENV A=<<EOF\nLABEL b=<<EOF\nCMD <<EOF\n",
    "no heredoc in quotes": "FROM a\nRUN echo '<<EOF' \"<<EOF\"\nRUN b\n",
    "no heredoc in a here-string": "FROM a\nRUN cat <<<EOF\nRUN b\n",
    "no heredoc inside a word": "FROM a\nRUN echo $((1<<2)) a<<b\nRUN c\n",
    "no heredoc behind a quote that stays open": "FROM a\nRUN echo it's <<EOF\nRUN b\n",
    "no heredoc where a variable is bash's own": "FROM a\nRUN echo ${X^^} ${Y[@]} <<EOF\nRUN b\n",
    "heredoc beside a variable": "FROM a\nRUN echo ${X:-a b} $Y ${Z:0:3} <<EOF\nx\nEOF\n",
    "heredoc's word in a variable's blank": "FROM a\nRUN echo ${X:-a <<EOF b}\nx\nEOF\n",
    "ONBUILD": "FROM a\nONBUILD RUN --mount=type=cache,target=/c make\nONBUILD COPY --from=x a b\n",
    "ONBUILD with exec form": 'FROM a\nONBUILD CMD ["x", "y"]\nONBUILD ENV A=1\n',
    "exec form": (
        'FROM a\nRUN ["a", "b c"]\nCMD [ "x" ]\nENTRYPOINT ["\\u0041\\n"]\nSHELL ["s", "-c"]\n'
    ),
    "exec form on several lines": 'FROM a\nCMD [ \\\n  "a", \\\n# c\n  "b" \\\n]\n',
    "exec form with more behind it": 'FROM a\nCMD ["a"] && b\n',
    "exec form of paths": 'FROM a\nCOPY ["a b", "c"]\nADD --chown=1:0 ["a","b"]\nVOLUME ["/x"]\n',
    "almost an exec form": (
        "FROM a\nCMD ['a']\nRUN [\"a\",]\nRUN [ -f x ] && y\n"
        'CMD [NaN]\nCMD ["\\q"]\nCMD ["a\nCMD {}\n'
    ),
    "empty exec form": "FROM a\nENTRYPOINT []\nCMD []\n",
    "HEALTHCHECK": (
        "FROM a\nHEALTHCHECK NONE\nHEALTHCHECK --interval=5s --retries=3 CMD curl -f x\n"
        'HEALTHCHECK CMD ["curl", "x"]\nHEALTHCHECK \\\n  --timeout=1s \\\n CMD \\\n x\n'
    ),
    "flags": "FROM --platform=$BUILDPLATFORM a AS b\nCOPY --from=b --chmod=755 --link x y\n",
    "flags on several lines": (
        "FROM a\nRUN --mount=type=bind,\\\ntarget=/x \\\n  --network=none \\\n# c\n make\n"
    ),
    "flags with quotes and escapes": "FROM a\nRUN --a=\"b c\" --d='e' --f=g\\ h -- --x\nRUN --i\n",
    "a flag behind the first word is none": "FROM a\nRUN make --mount=x\nRUN - --mount=x\n",
    "ARG": 'ARG A\nARG B=1 C D="e f"\nFROM a\nARG A B=$A\n',
    "ENV": (
        "FROM a\nENV A=1 B=\"2 3\" C='4 5' D=6\\ 7 \\\n  # c\n"
        "  E=$A\nENV F  g  h \nLABEL \"a b\"='c' d=e\n"
    ),
    "ENV with escapes in quotes": (
        'FROM a\nENV A=\'x\\\' B="y\\" z" C=\\"\nENV D=1\\\\\nENV E F\\\n'
    ),
    "ENV with a backtick escape": "# escape=`\nFROM a\nENV A=c:\\ B=d:\\x C=`  `\n D=1\n",
    "quotes that COPY doesn't know": 'FROM a\nCOPY "a b" c\\ d ${X:-e f} /\nEXPOSE 80 90/tcp\n',
    "one text": "FROM a\nWORKDIR /a b\nUSER x  y\nSTOPSIGNAL 9\nMAINTAINER me  too\n",
    "several stages": "FROM a AS x\nRUN 1\nFROM b as y\nRUN 2\nFROM x\nCOPY --from=0 a b\n",
    "names with variables": "ARG T=cpu\nFROM base-${T} AS $T\nFROM fetch_${T}\n",
    "other alphabets": "FROM a\nRUN echo 'größe 大小' \\\n && écho <<É\nß\nÉ\nLABEL n=\"Ünï\"\n",
    "a word that is no instruction": "FROM a\nINSTALL x\nRUN b\n",
    "a shell line without its escape": "FROM a\nRUN a &&\n  b\n",
}
"""What BuildKit's parser takes. (It leaves unknown instructions for later.)"""

REFUSED: dict[str, tuple[str, str]] = {
    "empty": ("", "MS100"),
    "blank": ("\n \n\t\r\n", "MS100"),
    "comments only": ("# syntax=x\n# a\n", "MS100"),
    "an unterminated heredoc": ("FROM a\nRUN <<EOF\nx\nEOF \n", "MS104"),
    "the second of two unterminated": ("FROM a\nRUN <<A <<B\nx\nA\ny\n", "MS104"),
    "a brace that stays open in a closing word": ("FROM a\nRUN cat <<'A'${B:-c d}\nx\n", "MS104"),
    "escape given twice": ("# escape=`\n# escape=\\\nFROM a\n", "MS106"),
    "syntax given twice": ("# syntax=a\n# syntax=b\nFROM a\n", "MS106"),
    "an escape that can't be one": ("# escape=x\nFROM a\n", "MS106"),
    "ENV without a value": ("FROM a\nENV A\n", "MS109"),
    "a LABEL's word without =": ("FROM a\nLABEL a=b c\n", "MS109"),
    "an exec form of numbers": ("FROM a\nCMD [1]\n", "MS109"),
    "an exec form of lists": ('FROM a\nONBUILD RUN [["a"]]\n', "MS109"),
    "a HEALTHCHECK of numbers": ('FROM a\nHEALTHCHECK CMD ["a", 1]\n', "MS109"),
}
"""What BuildKit's parser refuses, and the finding that says so."""
