"""Refuses SQL of the ledger that touches a business table without saying whose rows it means.

usage: python tests/lint_sql.py [--all]      exit 1 on an offence; --all lists what is excused, with its reason

A business table is one whose first column is `taxpayer` (the schema files say which). Each SELECT, UPDATE, DELETE of one
must hold its `taxpayer` equal to a parameter or to a row that was given (unnest, a CTE, an outer query, each judged for
itself); being equal to another business table that is free itself is not enough. Each INSERT must name the column.

What is meant for all taxpayers says so, with a reason: `-- lint: all taxpayers: why` in the SQL (it covers its
parentheses) or `# lint: all taxpayers: why` above or beside the Python statement. An excuse that excuses nothing is an
offence as well.
"""

from __future__ import annotations

import ast
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LEDGER = ROOT / "src" / "kaipiao" / "ledger"
EXCUSE = re.compile(r"lint:\s*all taxpayers:[ \t]*(.*)")
OPENING = re.compile(r"\s*(select|insert|update|delete|with|replace|merge|copy|truncate|explain)\b", re.IGNORECASE)
SHOUTED = re.compile(r"\b(SELECT|FROM|JOIN|INTO|UPDATE|DELETE|TRUNCATE|COPY|MERGE)\b")
LEXEME = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?\*/)|(?P<text>'(?:[^']|'')*')|(?P<unknown>\{[^{}]*\})
    |(?P<parameter>\?\d*|\$\d+|:[a-z_]\w*|%s)(?P<cast>::[\w\[\]]+)?|(?P<skip>::[\w\[\]]+)|(?P<quoted>["`\[]\w+["`\]])
    |(?P<word>[^\W\d]\w*)|(?P<mark>[(),;.=]|[^\s\w])|(?P<number>\d+)""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
CREATED = re.compile(r"CREATE TABLE (\w+) \(\s*(?:--[^\n]*\n\s*)*taxpayer\b")
UNKNOWN = "{}"
PARAMETER = "?"
NO_ALIAS = frozenset(
    [
        "where",
        "on",
        "set",
        "join",
        "left",
        "right",
        "full",
        "inner",
        "cross",
        "natural",
        "outer",
        "group",
        "order",
        "limit",
        "union",
        "intersect",
        "except",
        "returning",
        "for",
        "having",
        "window",
        "using",
        "values",
        "select",
        "with",
        "default",
        "do",
        "conflict",
        "when",
        "not",
        "and",
        "or",
        "as",
        "lateral",
        "offset",
        "fetch",
    ]
)
Token = str | list["Token"]


@dataclass(frozen=True, slots=True)
class Offence:
    """`line` is that of the SQL text's beginning."""

    file: Path
    line: int
    what: str

    def __str__(self) -> str:
        place = self.file.relative_to(ROOT) if self.file.is_relative_to(ROOT) else self.file
        return f"{place}:{self.line}: {self.what}"


@dataclass(slots=True)
class Excuse:
    reason: str
    used: bool = False


@dataclass(frozen=True, slots=True)
class Statement:
    """A piece of SQL, and the excuse beside it."""

    text: str
    line: int
    excuse: Excuse | None = None


@dataclass(slots=True)
class Report:
    offences: list[Offence] = field(default_factory=list)
    excused: list[Offence] = field(default_factory=list)


def business_tables(schemas: Iterable[Path] = tuple(sorted(LEDGER.glob("*/schema.sql")))) -> frozenset[str]:
    """The tables whose first column is `taxpayer`."""
    return frozenset(name for schema in schemas for name in CREATED.findall(schema.read_text("utf-8")))


# --- one piece of SQL -------------------------------------------------------------------------------------------------


def tree_of(sql: str) -> list[Token]:
    """Its words in lower case, parentheses as lists. Comments fall away but for an excuse."""
    stack: list[list[Token]] = [[]]
    for found in LEXEME.finditer(sql):
        kind, text = found.lastgroup, found[0]
        if found["parameter"]:
            stack[-1].append(PARAMETER)
        elif kind == "comment":
            if excuse := EXCUSE.search(text):
                stack[-1].append(f"--{excuse[1].removesuffix('*/').strip()}")
        elif kind in ("text", "number"):
            stack[-1].append("''")
        elif kind == "unknown":
            stack[-1].append(UNKNOWN)
        elif text == "(":
            stack[-1].append([])
            inner = stack[-1][-1]
            assert isinstance(inner, list)
            stack.append(inner)
        elif text == ")":
            if len(stack) > 1:
                stack.pop()
        elif kind != "skip":
            stack[-1].append(text.strip('"`[]').lower() if kind == "quoted" else text.lower())
    return stack[0]


class Judge:
    """Of one piece of SQL: what it does without a taxpayer, and the excuses that stand in it."""

    def __init__(self, tables: frozenset[str]) -> None:
        self._tables = tables
        self.complaints: list[tuple[str, Excuse | None]] = []
        self.excuses: list[Excuse] = []

    def judge(self, tokens: list[Token], excuse: Excuse | None = None) -> None:
        for token in tokens:
            if isinstance(token, str) and token.startswith("--"):
                excuse = Excuse(token[2:])
                self.excuses.append(excuse)
        for part in _parts([t for t in tokens if not (isinstance(t, str) and t.startswith("--"))]):
            for complaint in self._of_part(part):
                self.complaints.append((complaint, excuse))
        for token in tokens:
            if isinstance(token, list):
                self.judge(token, excuse)

    def _of_part(self, part: list[Token]) -> Iterator[str]:
        if part[:1] == ["insert"] or part[:1] == ["replace"] or part[:1] == ["copy"]:
            yield from self._of_insert(part)
            return
        sources = dict(_sources(part))
        if UNKNOWN in sources.values() or PARAMETER in sources.values():
            yield "the table is put in at run time: it cannot be judged"
        free = {alias for alias, table in sources.items() if self._is_business(table)}
        equal = list(_equalities(_conditions(part), free))
        for _ in range(
            len(free) + 1
        ):  # each round may free those that hang on one that was settled in the round before
            free -= {one for one, other in equal if other not in free}
        for alias in sorted(free):
            yield f"`{sources[alias]}` is touched without a taxpayer (taxpayer = …)"

    def _of_insert(self, part: list[Token]) -> Iterator[str]:
        place = part.index("into") + 1 if "into" in part else 1
        table, place = _name(part, place)
        place += 2 if part[place : place + 1] == ["as"] else 0
        columns = part[place] if place < len(part) else None
        if table in (UNKNOWN, PARAMETER):
            yield "the table is put in at run time: it cannot be judged"
        elif self._is_business(table) and not (isinstance(columns, list) and "taxpayer" in columns):
            yield f"`{table}` is written without its column taxpayer"

    def _is_business(self, name: str) -> bool:
        return re.sub(r"_\d{4}_\d{2}$", "", name) in self._tables  # a month's partition too


def _parts(tokens: list[Token]) -> Iterator[list[Token]]:
    """Between `;`, UNION and their like; the SELECT of an INSERT, and what follows after a WITH, stand for themselves."""
    part: list[Token] = []
    for index, token in enumerate(tokens):
        before = tokens[index - 1] if index else None
        begins = token in ("select", "insert", "delete") or (token == "update" and _is_verb(tokens, index))
        if token in (";", "union", "intersect", "except") or (begins and part):
            if part:
                yield part
            part = []
        if token not in (";", "union", "intersect", "except") and not (token == "all" and before == "union"):
            part.append(token)
    if part:
        yield part


def _is_verb(tokens: list[Token], index: int) -> bool:
    """Not the UPDATE of FOR UPDATE and DO UPDATE SET."""
    return index == 0 or tokens[index - 1] not in ("for", "do", "key")


def _sources(part: list[Token]) -> Iterator[tuple[str, str]]:
    """(alias, table) of everything it reads or changes."""
    for index, token in enumerate(part):
        if token == "from" and index and part[index - 1] == "distinct":  # IS DISTINCT FROM
            continue
        if token == "update" and not _is_verb(part, index):
            continue
        if token in ("from", "join", "update", "into", "using", "truncate", "table"):
            yield from _listed(part, index + 1)


def _listed(part: list[Token], place: int) -> Iterator[tuple[str, str]]:
    """A list of tables with commas between."""
    while place < len(part):
        while part[place : place + 1] and part[place] in ("lateral", "only", "table"):
            place += 1
        table, place = _name(part, place)
        called = place < len(part) and isinstance(part[place], list)  # a function, or a table's columns
        place += called
        if part[place : place + 3] == ["with", "ordinality", "as"]:
            place += 2
        place += part[place : place + 1] == ["as"]
        alias = part[place] if place < len(part) else None
        if isinstance(alias, str) and alias.isidentifier() and alias not in NO_ALIAS:
            place += 1
            place += place < len(part) and isinstance(part[place], list)
        else:
            alias = table
        if table:
            yield alias, "" if called and table != UNKNOWN else table
        if part[place : place + 1] != [","]:
            return
        place += 1


def _name(part: list[Token], place: int) -> tuple[str, int]:
    """A table's name without its schema, and the place behind it; '' for a query in parentheses."""
    name = part[place] if place < len(part) else ""
    if isinstance(name, list):
        return "", place
    while part[place + 1 : place + 2] == ["."] and isinstance(part[place + 2], str):
        place += 2
        name = str(part[place])
    return name, place + 1


def _conditions(part: list[Token]) -> list[Token]:
    """From the first WHERE or ON: neither what is chosen nor what is set."""
    return part[next((i for i, token in enumerate(part) if token in ("where", "on")), len(part)) :]


def _equalities(part: list[Token], free: set[str]) -> Iterator[tuple[str, str]]:
    """(alias, what its taxpayer is equal to: an alias, or a parameter). What stands beside an OR binds nothing."""
    if "or" in part:
        return
    for index, token in enumerate(part):
        if token == "=" and 0 < index < len(part) - 1 and part[index - 1] not in ("<", ">", "!"):
            left, right = part[index - 1], part[index + 1]
            if isinstance(left, list) and isinstance(right, list):
                sides = list(zip(_split(left), _split(right), strict=False))
            else:
                sides = [(_before(part, index), part[index + 1 : index + 4])]
            for one, other in sides:
                first, second = _owner(one, free), _owner(other, free)
                if first is not None and second is not None:
                    yield first, second
                    yield second, first
        elif isinstance(token, list) and "select" not in token and (not index or part[index - 1] != "not"):
            yield from _equalities(token, free)


def _before(part: list[Token], index: int) -> list[Token]:
    return part[index - 3 : index] if part[index - 2 : index - 1] == ["."] else part[index - 1 : index]


def _split(tokens: list[Token]) -> Iterator[list[Token]]:
    piece: list[Token] = []
    for token in [*tokens, ","]:
        if token == ",":
            yield piece
            piece = []
        else:
            piece.append(token)


def _owner(side: list[Token], free: set[str]) -> str | None:
    """Whose taxpayer this is; a parameter; None: something else."""
    if side[:1] == [PARAMETER]:
        return PARAMETER
    if side[:1] == ["taxpayer"]:
        return next(iter(free)) if len(free) == 1 else None
    if len(side) == 3 and side[1:] == [".", "taxpayer"]:
        return str(side[0])
    return None


# --- where SQL stands -------------------------------------------------------------------------------------------------


def is_sql(text: str) -> bool:
    return bool(OPENING.match(text) or SHOUTED.search(text))


def statements_of_python(source: str) -> Iterator[Statement | Excuse]:
    """Every SQL text of a module with the excuse beside it; then the excuses."""
    module = ast.parse(source)
    known = _constants(module)
    comments = _comments(source)
    excuses: dict[int, Excuse] = {
        line: Excuse(found[1].strip()) for line, text in comments.items() if (found := EXCUSE.search(text))
    }
    for statement in _simple_statements(module):
        beside = next((excuses[line] for line in _beside(statement, comments) if line in excuses), None)
        for text in _texts(statement, known):
            if is_sql(text):
                yield Statement(text, statement.lineno, beside)
    yield from excuses.values()


def _simple_statements(module: ast.Module) -> Iterator[ast.stmt]:
    """Those without a body; of the others, the head is one too."""
    for node in ast.walk(module):
        if isinstance(node, ast.stmt) and not _is_docstring(node):
            yield node


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _beside(statement: ast.stmt, comments: dict[int, str]) -> Iterator[int]:
    last = statement.body[0].lineno - 1 if hasattr(statement, "body") and statement.body else statement.end_lineno
    yield from range(statement.lineno, (last or statement.lineno) + 1)
    line = statement.lineno - 1
    while line in comments:
        yield line
        line -= 1


def _comments(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(StringIO(source).readline)
    return {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}


def _constants(module: ast.Module) -> dict[str, str]:
    """The texts that the module gives names to."""
    known: dict[str, str] = {}
    for node in module.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            text = _text(node.value, known)
            if text is not None:
                known[node.targets[0].id] = text
    return known


def _texts(node: ast.AST, known: dict[str, str]) -> Iterator[str]:
    """The texts in a statement, put together as far as can be seen; not those of statements within it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            continue
        text = _text(child, known) if isinstance(child, ast.expr) and not isinstance(child, ast.Name) else None
        if text is not None:
            yield text
        if text is None or isinstance(child, ast.Call):
            yield from _texts(child, known)


def _text(node: ast.expr, known: dict[str, str]) -> str | None:
    """What stands there; `{}` for a part that only running tells. None: it is no text."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, known) or "" for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return _text(node.value, known) or UNKNOWN
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _text(node.left, known), _text(node.right, known)
        return None if left is None and right is None else (left or UNKNOWN) + (right or UNKNOWN)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return _text(node.left, known)
    return None


def lint(file: Path, tables: frozenset[str], report: Report) -> None:
    """Add what is found in one file, Python or SQL."""
    source = file.read_text("utf-8")
    found = statements_of_python(source) if file.suffix == ".py" else iter([Statement(source, 1)])
    beside: list[Excuse] = []
    for piece in found:
        if isinstance(piece, Excuse):
            beside.append(piece)
            continue
        judge = Judge(tables)
        judge.judge(tree_of(piece.text))
        for complaint, excuse in judge.complaints:
            _settle(Offence(file, piece.line, complaint), excuse or piece.excuse, report)
        for unused in (e for e in judge.excuses if not e.used):
            report.offences.append(Offence(file, piece.line, f"an excuse without need: {unused.reason!r}"))
    for unused in (e for e in beside if not e.used):
        report.offences.append(Offence(file, 1, f"an excuse without need: {unused.reason!r}"))


def _settle(offence: Offence, excuse: Excuse | None, report: Report) -> None:
    if excuse is None:
        report.offences.append(offence)
        return
    excuse.used = True
    if excuse.reason:
        report.excused.append(Offence(offence.file, offence.line, f"{offence.what} — {excuse.reason}"))
    else:
        report.offences.append(Offence(offence.file, offence.line, f"{offence.what}: the excuse gives no reason"))


def files() -> list[Path]:
    return sorted([*LEDGER.rglob("*.py"), *LEDGER.rglob("*.sql")])


def main(arguments: list[str]) -> int:
    report = Report()
    tables = business_tables()
    for file in files():
        lint(file, tables, report)
    for excused in report.excused if "--all" in arguments else ():
        print(f"excused: {excused}")
    for offence in report.offences:
        print(offence)
    print(
        f"{len(files())} files, {len(tables)} business tables, {len(report.excused)} excused, {len(report.offences)} offences"
    )
    return 1 if report.offences or not tables else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
