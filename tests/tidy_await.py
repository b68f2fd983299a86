"""One await, one statement: finds every other use of `co_await` in C++ text. Part of tidy.py.

GCC 12 compiles an await that stands among other expressions wrongly (temporaries are destroyed twice),
and no compiler warns about a result that is awaited and dropped. So each `co_await` stands alone: on the
right of a named local, after `co_return`, or as a whole statement that says what becomes of the
result. This is a reader of tokens, not of C++: what it cannot see (a macro, a type) it lets pass. A line
that knows better says why, in itself or in the line above: `// tidy: the reason`.
"""

import re

# Awaited as whole statements, these give nothing that could be dropped.
YIELDS_NOTHING = {"fail", "suspend_always", "suspend_never"}
SPELLED_OUT = {"or_return", "or_throw", "ignore"}

CONTROL = {"if", "while", "for", "switch"}
ASSERTIONS = re.compile(r"(REQUIRE|CHECK|DUNLIN_ASSERT|STATIC_REQUIRE|INFO|CAPTURE)\w*$")
QUALIFIERS = {"const", "noexcept", "mutable", "override", "final", "&", "&&"}
OPERATORS = {"+", "-", "/", "%", "|", "^", "==", "!=", "<=", ">=", "&&", "||", "?", "+=", "-=", "<<", ">>"}

NOT_CODE = re.compile(
    r"""(?P<raw>R"(?P<mark>[^()\s\\"]*)\(.*?\)(?P=mark)")   # raw strings
      | (?P<text>"(?:[^"\\\n]|\\.)*")
      | (?P<number>\b\d[\w.]*(?:'\w+)*)                     # before characters: 1'000
      | (?P<char>'(?:[^'\\\n]|\\.)+')
      | (?P<comment>//[^\n]*|/\*.*?\*/)
      | (?P<directive>^[ \t]*\#(?:[^\n\\]|\\.|\\\n)*)""",
    re.VERBOSE | re.DOTALL | re.MULTILINE)
TOKEN = re.compile(r'[A-Za-z_]\w*|\d[\w.]*(?:\'\w+)*|""|->|::|[=!<>+\-*/%|&^]=|&&|\|\||\.\.\.|<<|[^\s\w]')


def code_only(text):
    """The text without comments, strings and directives, line for line."""
    def blank(found):
        lines = "\n" * found.group().count("\n")
        if found["number"]:
            return found.group()
        return ('""' if found["raw"] or found["text"] or found["char"] else " ") + lines
    return NOT_CODE.sub(blank, text)


def excused_lines(text):
    """The lines that say `// tidy: why`, and those below a line that says nothing else."""
    excused = set()
    for number, line in enumerate(text.splitlines(), 1):
        found = re.search(r"//\s*tidy:\s*\S", line)
        if found:
            excused |= {number} if line[:found.start()].strip() else {number, number + 1}
    return excused


class Tokens:
    """C++ as a list of words, with its brackets matched and its blocks told from initialisers."""

    def __init__(self, text):
        code = code_only(text)
        self.words, self.lines = [], []
        for number, line in enumerate(code.splitlines(), 1):
            for found in TOKEN.finditer(line):
                self.words.append(found.group())
                self.lines.append(number)
        self.match, self.parent = {}, []
        open_brackets = []
        for index, word in enumerate(self.words):
            if word in ")]}" and open_brackets:
                start = open_brackets.pop()
                self.match[start], self.match[index] = index, start
            self.parent.append(open_brackets[-1] if open_brackets else -1)
            if word in "([{":
                open_brackets.append(index)
        self.blocks = {}

    def at(self, index):
        return self.words[index] if 0 <= index < len(self.words) else ""

    def is_block(self, brace):
        """Whether this `{` begins statements (or members), not an initialiser."""
        if brace not in self.blocks:
            self.blocks[brace] = self._is_block(brace)
        return self.blocks[brace]

    def _is_block(self, brace):
        before = self.at(brace - 1)
        if before in ("", ")", "else", "do", "try", ";", "}", ":", '""'):
            return True
        if before == "{":
            return self.is_block(brace - 1)
        if before == "]":
            opens = self.match.get(brace - 1, 0)
            return not (re.match(r"\w", self.at(opens - 1)) or self.at(opens - 1) in (")", "]"))
        if not re.match(r"[\w>&*]", before) or before in ("return", "co_return", "co_yield"):
            return False
        # A word, as in `noexcept {`, `-> task<int> {`, `struct point {`, `std::string{`: read back.
        index, only_qualifiers = brace - 1, True
        while index >= 0:
            word = self.words[index]
            if word in ("->", "namespace", "struct", "class", "enum", "union", "requires", "extern"):
                return True
            if word == ")":
                if only_qualifiers:
                    return True
                if self.at(self.match.get(index, 0) - 1) not in ("noexcept", "decltype"):
                    break
                index = self.match[index]
            elif not re.match(r"[\w<>,*&]|::|\.\.\.", word):
                break
            only_qualifiers = only_qualifiers and word in QUALIFIERS
            index -= 1
        # `class a : public b<c> {` stops at the colon: look at the beginning of the declaration.
        while index >= 0 and self.words[index] not in (";", "{", "}", "=", "(", ")"):
            if self.words[index] in ("struct", "class", "enum", "union"):
                return True
            index -= 1
        return False

    def block_of(self, index):
        """The `{` of the block this word stands in, through initialisers and parentheses; -1 for none."""
        opens = self.parent[index]
        while opens >= 0 and not (self.words[opens] == "{" and self.is_block(opens)):
            opens = self.parent[opens]
        return opens

    def statement(self, index):
        """First word and end (not included) of the statement or control clause around a word of its top level."""
        level, start = self.parent[index], index
        while start - 1 > level:
            word = self.words[start - 1]
            if word in (";", "else", "do"):
                break
            if word == "}" and (start - 1) in self.match and self.is_block(self.match[start - 1]):
                break
            if word in ")]}" and (start - 1) in self.match:
                opens = self.match[start - 1]
                before = self.at(opens - 1)
                if word == ")" and (before in CONTROL or before == "constexpr" and self.at(opens - 2) == "if"):
                    break
                start = opens
            else:
                start -= 1
        while self.words[start] in ("case", "default"):
            while self.words[start] != ":" and start < index:
                start += 1
            start += 1
        end = index
        while end < len(self.words) and self.words[end] not in (";", ")", "}"):
            end = self.match.get(end, end) + 1 if self.words[end] in "([{" else end + 1
        return start, end

    def top_level(self, start, end):
        """The words of a range, with what stands in brackets left out."""
        while start < end:
            yield start
            start = self.match.get(start, start) if self.words[start] in "([{" else start
            start += 1


def names_without_result(text):
    """What this text declares as a task of nothing, or as awaiting to nothing: it may be awaited and dropped."""
    code = code_only(text)
    names = set(re.findall(r"\btask<\s*(?:void)?\s*>\s+(?:\w+::)*(\w+)", code))
    names |= set(re.findall(r"(\w+)\s*=\s*\[[^\]]*\][^{;]*->\s*(?:\w+::)*\btask<\s*(?:void)?\s*>", code))
    for found in re.finditer(r"\bvoid\s+await_resume\b", code):
        classes = re.findall(r"\b(?:struct|class)\s+(\w+)[^;{]*\{", code[:found.start()])
        if classes:
            names.add(classes[-1])
            names |= set(re.findall(rf"\b{classes[-1]}\s+(\w+)\s*[;({{=]", code))
    return names


def await_problems(text):
    """Yields (line, what is wrong) for every `co_await` of a C++ text that does not stand alone."""
    tokens, excused, harmless = Tokens(text), excused_lines(text), names_without_result(text)
    for index, word in enumerate(tokens.words):
        if word != "co_await" or tokens.at(index - 1) == "operator":
            continue
        problem = problem_of(tokens, index, harmless)
        if problem and tokens.lines[index] not in excused:
            yield tokens.lines[index], problem


def problem_of(tokens, index, harmless):
    opens = tokens.parent[index]
    in_control = False
    if opens >= 0 and not (tokens.words[opens] == "{" and tokens.is_block(opens)):
        before = tokens.at(opens - 1)
        in_control = tokens.words[opens] == "(" and (
            before in CONTROL or before == "constexpr" and tokens.at(opens - 2) == "if")
        if not in_control:
            if tokens.words[opens] == "{":
                return "an await inside a braced initialiser: await into a named local first"
            if tokens.words[opens] == "[":
                return "an await inside an index or captures: await into a named local first"
            if before in ("decltype", "sizeof", "noexcept", "requires"):
                return None
            if ASSERTIONS.match(before):
                return f"an await inside {before}, which may evaluate it twice: await into a named local first"
            if re.match(r"[\w>)\]]", before) and before not in ("return", "co_return", "co_await"):
                return "an await among a call's arguments: await into a named local first"
            return "an await inside parentheses: await into a named local first"

    start, end = tokens.statement(index)
    top = [tokens.words[i] for i in tokens.top_level(start, end)]
    block = tokens.block_of(index)
    if sum(tokens.words[i] == "co_await" and tokens.block_of(i) == block for i in range(start, end)) > 1:
        return "more than one await in a statement"
    if "?" in top:
        return "an await in a conditional expression: use if and else"
    before = tokens.at(index - 1)
    if in_control and before != "=":
        return "an await in a condition: give its value a name there"
    if start < index and before not in ("=", "co_return"):
        if tokens.words[start:start + 3] == ["(", "void", ")"]:
            return "an await whose result is cast away: say .ignore()"
        return "an await that does not stand alone: await into a named local first"
    if before == "=" and any(tokens.words[i] == "[" and tokens.at(i - 1) in ("auto", "&", "&&")
                             for i in range(start, index)):
        return "a structured binding of an await: await into a named local first"
    if any(tokens.words[i] in OPERATORS for i in tokens.top_level(index + 1, end)):
        return "an await that is part of a larger expression: await into a named local first"
    if any(is_closure_with_values(tokens, i) and tokens.block_of(i) == block for i in range(index + 1, end)):
        return "a closure with captured values inside an await: name the closure on the line before"
    if start == index:
        name = last_call(tokens, index, end)
        if name not in SPELLED_OUT | YIELDS_NOTHING | harmless:
            return f"the result of {name or 'this await'} is dropped: .or_return(), .or_throw() or .ignore()"
    return None


def is_closure_with_values(tokens, index):
    if tokens.words[index] != "[" or tokens.at(index - 1) not in ("(", ",", "=", "{", "co_await", "return"):
        return False
    captures = tokens.words[index + 1:tokens.match.get(index, index)]
    items = " ".join(captures).split(",")
    return any(item.strip() and not re.match(r"\s*(&|this\b)", item) for item in items)


def last_call(tokens, index, end):
    """The name that is called last (or stands last) in the awaited expression."""
    top = list(tokens.top_level(index + 1, end))
    calls = [i for i in top if tokens.words[i] in "({"]
    name = (calls[-1] if calls else end) - 1
    if tokens.at(name) == ">":
        while name > index and tokens.words[name] != "<":
            name -= 1
        name -= 1
    if calls and tokens.at(name) == "move":  # std::move(child): the child is meant
        name = tokens.match.get(calls[-1], end) - 1
    return tokens.at(name) if re.match(r"\w", tokens.at(name)) else ""
