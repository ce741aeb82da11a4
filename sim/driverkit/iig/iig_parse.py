"""iig_parse.py - reads interface files: comments, conditionals, includes, class bodies.

A hand parser is enough: the dialect is regular, and only class bodies are understood. All other text is kept as it is.
"""
import os
import re

from iig_model import CALLS, ROOT_CLASS, WORDS, Class, Database, IigError, Method, Parameter, plain_word

# Names whose value is fixed when a dext is built; conditionals over other names are copied and left to the compiler.
CONDITIONS = {"__IIG": 0, "KERNEL": 0, "DRIVERKIT_PRIVATE": 1, "PRIVATE_WIFI_ONLY": 0, "__DOCUMENTATION__": 0}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*(?:include|import)[ \t]*([<"])([^>"]+)[>"]', re.M)
DIRECTIVE = re.compile(r"^[ \t]*#[ \t]*(\w+)[ \t]*((?:\\\n|[^\n])*)", re.M)
TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|::|->|\.\.\.|[A-Za-z_]\w*|\d[\w.]*|\S')


class Unit:
    """One parsed file: its text as pieces, each either ("text", str, line) or ("class", Class, line_after)."""

    def __init__(self, path):
        self.path = path
        self.pieces = []

    def classes(self):
        return [piece[1] for piece in self.pieces if piece[0] == "class"]


def blank(text):
    """Spaces instead of characters, so that positions and lines stay what they were."""
    return re.sub(r"[^\n]", " ", text)


def strip_comments(text):
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.S)
    return pattern.sub(lambda m: m.group(0) if m.group(0)[0] == '"' else blank(m.group(0)), text)


class Parser:
    def __init__(self, include_paths):
        self.include_paths = include_paths
        self.database = Database()
        self.files_read = []
        self._units = {}

    def parse(self, path):
        key = os.path.realpath(path)
        if key in self._units:
            return self._units[key]
        unit = self._units[key] = Unit(path)
        self.files_read.append(path)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        code = strip_comments(text)
        text, code = self._resolve_conditionals(path, text, code)
        for match in INCLUDE.finditer(code):
            self._include(path, match, code)
        self._split(unit, text, code)
        return unit

    # --- includes and conditionals ---------------------------------------------------------------------------------

    def _include(self, path, match, code):
        quote, name = match.group(1), match.group(2)
        stem, extension = os.path.splitext(name)
        if extension not in (".iig", ".h"):
            return
        wanted = stem + ".iig"
        directories = ([os.path.dirname(path) or "."] if quote == '"' else []) + self.include_paths
        for directory in directories:
            candidate = os.path.join(directory, wanted)
            if os.path.isfile(candidate):
                self.parse(candidate)
                return
        if extension == ".iig":
            line = code.count("\n", 0, match.start()) + 1
            raise IigError(path, line,
                           f"included file {name} was not found in: " + (", ".join(directories) or "nowhere"))

    def _resolve_conditionals(self, path, text, code):
        """Blanks the directives whose names are all in CONDITIONS, and the branches they exclude."""
        lines_text = text.splitlines(keepends=True)
        lines_code = code.splitlines(keepends=True)
        stack = []   # (resolved, active now, some branch was taken, line)
        continued = False
        for number, line in enumerate(lines_code):
            directive = None if continued else DIRECTIVE.match(line)
            continued = line.rstrip("\n").endswith("\\")
            word = directive.group(1) if directive else ""
            drop = any(resolved and not active for resolved, active, _, _ in stack)
            if word in ("if", "ifdef", "ifndef"):
                value = None if drop else self._condition(word, directive.group(2))
                stack.append((value is not None, bool(value), bool(value), number))
                drop = drop or value is not None
            elif word in ("elif", "else") and stack:
                resolved, _, taken, start = stack[-1]
                if resolved:
                    value = True if word == "else" else self._condition("if", directive.group(2))
                    if value is None:
                        raise IigError(path, number + 1, "this #elif mixes names that are known when interfaces are "
                                                         "generated with names that are not")
                    stack[-1] = (True, bool(value) and not taken, taken or bool(value), start)
                    drop = True
            elif word == "endif":
                if not stack:
                    raise IigError(path, number + 1, "#endif without #if")
                drop = drop or stack[-1][0]
                stack.pop()
            if drop:
                lines_text[number] = blank(lines_text[number])
                lines_code[number] = blank(lines_code[number])
        if stack:
            raise IigError(path, stack[-1][3] + 1, "this #if has no #endif")
        return "".join(lines_text), "".join(lines_code)

    @staticmethod
    def _condition(word, expression):
        """True or False for an expression over known names, else None."""
        expression = expression.strip()
        if word in ("ifdef", "ifndef"):
            if expression not in CONDITIONS:
                return None
            return bool(CONDITIONS[expression]) == (word == "ifdef")
        tokens = re.findall(r"defined|\w+|&&|\|\||==|!=|!|\(|\)|\S", expression)
        python = []
        for token in tokens:
            if token in CONDITIONS:
                python.append(str(CONDITIONS[token]))
            elif token == "defined":
                continue
            elif token.isdigit():
                python.append(token)
            elif token in ("&&", "||", "!"):
                python.append({"&&": " and ", "||": " or ", "!": " not "}[token])
            elif token in ("(", ")", "==", "!="):
                python.append(token)
            else:
                return None
        if not any(token in CONDITIONS for token in tokens):
            return None
        try:
            return bool(eval("".join(python), {"__builtins__": {}}))  # only digits, parentheses and operators
        except SyntaxError:
            return None

    # --- classes ---------------------------------------------------------------------------------------------------

    def _split(self, unit, text, code):
        """Finds class definitions at file scope; everything between them is text."""
        begin = 0
        position = 0
        depth = 0
        previous = ""
        while True:
            match = TOKEN.search(code, position)
            if match is None:
                break
            token = match.group(0)
            position = match.end()
            if token == "#":
                line_end = re.compile(r"(?:\\\n|[^\n])*").match(code, match.start()).end()
                position = line_end
                continue
            if token == "{":
                depth += 1
            elif token == "}":
                depth -= 1
            elif token == "class" and depth == 0 and previous not in ("enum", "<", ",", "friend"):
                head = re.compile(r"[^;{]*").match(code, match.end())
                stop = code[head.end():head.end() + 1]
                line = code.count("\n", 0, match.start()) + 1
                if stop == "":
                    raise IigError(unit.path, line, "the file ends inside a class declaration")
                if stop == ";":
                    self._text(unit, text, code, begin, match.start())
                    name = self._class_head(unit.path, line, head.group(0))[0]
                    self.database.forward.add(name)
                    unit.pieces.append(("text", f"class {name};", line))
                    begin = position = head.end() + 1
                else:
                    end = self._matching_brace(unit.path, code, head.end())
                    semicolon = re.compile(r"\s*;").match(code, end + 1)
                    if semicolon is None:
                        raise IigError(unit.path, code.count("\n", 0, end) + 1, "expected ';' after the class")
                    cls = self._class(unit, line, head.group(0), code, head.end() + 1, end)
                    if cls is not None:
                        self._text(unit, text, code, begin, match.start())
                        if cls.extends:
                            self._merge(unit, cls)
                        else:
                            unit.pieces.append(("class", cls, code.count("\n", 0, semicolon.end()) + 1))
                        begin = semicolon.end()
                    position = semicolon.end()
            previous = token
        self._text(unit, text, code, begin, len(text))

    @staticmethod
    def _text(unit, text, code, begin, end):
        if text[begin:end].strip():
            unit.pieces.append(("text", text[begin:end], code.count("\n", 0, begin) + 1))

    @staticmethod
    def _matching_brace(path, code, opening):
        depth = 0
        for match in re.compile(r'"(?:\\.|[^"\\])*"|[{}]').finditer(code, opening):
            if match.group(0) == "{":
                depth += 1
            elif match.group(0) == "}":
                depth -= 1
                if depth == 0:
                    return match.start()
        raise IigError(path, code.count("\n", 0, opening) + 1, "'{' without '}'")

    @staticmethod
    def _class_head(path, line, head):
        """(name, base, words, extends, final) of `class WORDS Name final : public Base`."""
        head = re.sub(r"__attribute__\s*\(\(.*?\)\)", " ", head, flags=re.S)
        extends = ""
        match = re.search(r"\b(?:IIG_)?EXTENDS\s*\(\s*(\w+)\s*\)", head)
        if match:
            extends = match.group(1)
            head = head.replace(match.group(0), " ")
        before, _, after = head.partition(":")
        words, names, final = set(), [], False
        for token in TOKEN.findall(re.sub(r"\b(?:API_\w+|\w+_AVAILABLE)\s*\([^)]*\)", " ", before)):
            if plain_word(token) in WORDS:
                words.add(plain_word(token))
            elif token == "final":
                final = True
            else:
                names.append(token)
        if len(names) != 1 or not re.fullmatch(r"\w+", names[0]):
            raise IigError(path, line, f"cannot read the class declaration 'class {' '.join(head.split())}'")
        base = re.sub(r"\b(public|private|protected|virtual)\b", "", after).strip()
        if "," in base:
            raise IigError(path, line, f"class {names[0]} has more than one base; interfaces allow one")
        return names[0], base, words, extends, final

    def _class(self, unit, line, head, code, begin, end):
        name, base, words, extends, final = self._class_head(unit.path, line, head)
        if not extends and not base:
            if words:
                raise IigError(unit.path, line, f"class {name} has attributes but no base class")
            return None                                       # an ordinary C++ class: stays text
        if base and base != ROOT_CLASS and base not in self.database.classes:
            raise IigError(unit.path, line, f"class {name} derives from {base}, which is not known here; "
                                            "include its .iig")
        cls = Class(name, base, unit.path, line, words, extends, final=final)
        self._body(cls, code, begin, end)
        if not extends:
            self.database.add(cls)
        self._check_types(cls)
        return cls

    def _merge(self, unit, extension):
        target = next((c for c in unit.classes() if c.name == extension.extends), None)
        if target is None:
            raise IigError(extension.path, extension.line,
                           f"EXTENDS({extension.extends}): that class is not defined in this file")
        target.methods += extension.methods
        target.extras += extension.extras

    def _check_types(self, cls):
        for method in cls.methods:
            if method.action_type:
                owner, _, name = method.action_type.partition("::")
                if owner != cls.name:
                    self.database.find_message(owner, name, cls.path, method.line)

    def _body(self, cls, code, begin, end):
        access = "private"
        position = begin
        while True:
            match = re.compile(r"\s*").match(code, position)
            position = match.end()
            if position >= end:
                return
            line = code.count("\n", 0, position) + 1
            if code[position] == "#":
                directive = DIRECTIVE.match(code, position)
                if directive and directive.group(1) == "pragma":
                    position = directive.end()
                    continue
                raise IigError(cls.path, line, "a preprocessor line inside a class must be one whose names are known "
                                               "when interfaces are generated: " + ", ".join(sorted(CONDITIONS)))
            label = re.compile(r"(public|protected|private)\s*:(?!:)").match(code, position)
            if label:
                access = label.group(1)
                position = label.end()
                continue
            if code[position] == ";":
                position += 1
                continue
            stop = self._statement_end(cls.path, line, code, position, end)
            statement = code[position:stop].strip()
            position = stop + 1
            if re.match(r"(typedef|enum|struct|union|using|friend|static\s+const)\b", statement) and not re.match(
                    r"(struct|enum|union)\s+\w+\s*[\*&]?\s*\w+\s*\(", statement):
                cls.extras.append((access, statement + ";"))
                continue
            method = self._method(cls, line, statement)
            method.access = access
            cls.methods.append(method)

    @staticmethod
    def _statement_end(path, line, code, position, end):
        depth = 0
        for match in re.compile(r'"(?:\\.|[^"\\])*"|[(){};\[\]]').finditer(code, position, end):
            token = match.group(0)
            if token in "({[":
                depth += 1
            elif token in ")}]":
                depth -= 1
            elif token == ";" and depth == 0:
                return match.start()
        raise IigError(path, line, "this declaration has no ';'")

    def _method(self, cls, line, statement):
        flat = " ".join(statement.split())
        statement = re.sub(r"__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)", " ", statement)
        statement = re.sub(r"\b(?:API_\w+|\w+_AVAILABLE\w*)\s*\((?:[^()]|\([^()]*\))*\)", " ", statement)
        match = re.match(r"(?P<head>[^()]*?)(?P<name>\b\w+)\s*\(", statement, re.S)
        if match is None or not match.group("head").strip():
            raise IigError(cls.path, line, f"cannot read '{flat}': not a method, and interface classes have no data "
                                           "members")
        close = self._closing_parenthesis(statement, match.end() - 1)
        if close is None:
            raise IigError(cls.path, line, f"unbalanced parentheses in '{flat}'")
        method = Method(match.group("name"), "", [], line)
        result = []
        for token in TOKEN.findall(match.group("head")):
            if token == "virtual":
                method.virtual = True
            elif token == "static":
                method.static = True
            elif plain_word(token) in WORDS:
                method.words.add(plain_word(token))
            elif token not in ("inline", "os_returns_retained", "os_returns_not_retained"):
                result.append(token)
        method.result = " ".join(result)
        method.parameters = self._parameters(cls, line, statement[match.end():close])
        self._suffix(cls, line, method, statement[close + 1:], flat)
        return method

    @staticmethod
    def _closing_parenthesis(text, opening):
        depth = 0
        for index in range(opening, len(text)):
            if text[index] == "(":
                depth += 1
            elif text[index] == ")":
                depth -= 1
                if depth == 0:
                    return index
        return None

    @staticmethod
    def _suffix(cls, line, method, suffix, flat):
        def call(match):
            word, value = plain_word(match.group(1)), match.group(2).strip()
            if word == "TYPE":
                method.action_type = value if "::" in value else f"{cls.name}::{value}"
            elif word == "QUEUENAME":
                method.queue = value
            return " "
        suffix = re.sub(r"\b((?:IIG_)?(?:%s))\s*\(([^()]*)\)" % "|".join(CALLS), call, suffix)
        suffix = re.sub(r"=\s*0", " ", suffix)
        for token in TOKEN.findall(suffix):
            if token == "const":
                method.const = True
            elif token == "override":
                method.override = True
            elif token == "final":
                method.final = True
            elif plain_word(token) in WORDS:
                method.words.add(plain_word(token))
            elif token not in ("os_returns_retained", "os_returns_not_retained", "noexcept", "APPLE_KEXT_OVERRIDE"):
                raise IigError(cls.path, line, f"unknown attribute '{token}' in '{flat}'")

    @staticmethod
    def _parameters(cls, line, text):
        parts, depth, current = [], 0, ""
        for character in text:
            if character in "([{<":
                depth += 1
            elif character in ")]}>":
                depth -= 1
            if character == "," and depth == 0:
                parts.append(current)
                current = ""
            else:
                current += character
        if current.strip() and current.strip() != "void":
            parts.append(current)
        return [Parser._parameter(cls, line, part, index) for index, part in enumerate(parts)]

    @staticmethod
    def _parameter(cls, line, text, index):
        parameter = Parameter("", "")
        match = re.search(r"\b(?:IIG_)?TYPE\s*\(([^()]*)\)", text)
        if match:
            parameter.action_type = match.group(1).strip()
            text = text.replace(match.group(0), " ")
        declarator, _, default = text.partition("=")
        parameter.default = default.strip()
        array = re.search(r"((?:\[[^\]]*\]\s*)+)$", declarator.strip())
        declarator = declarator.strip()
        if array:
            parameter.array = "".join(array.group(1).split())
            declarator = declarator[:array.start()].strip()
        tokens = []
        for token in TOKEN.findall(declarator):
            word = plain_word(token)
            if word in WORDS:
                parameter.target = parameter.target or word == "TARGET"
            elif token not in ("os_consumed",):
                tokens.append(token)
        flat = " ".join(text.split())
        if not tokens:
            raise IigError(cls.path, line, f"cannot read parameter {index + 1}: '{flat}'")
        if "(" in tokens:
            raise IigError(cls.path, line, f"parameter '{flat}' spells a function type; use a typedef")
        builtin = {"int", "char", "bool", "void", "long", "short", "unsigned", "float", "double", "const"}
        if len(tokens) > 1 and re.fullmatch(r"[A-Za-z_]\w*", tokens[-1]) and tokens[-1] not in builtin \
                and tokens[-2] != "::" and not (len(tokens) == 2 and tokens[0] in ("struct", "const", "class")):
            parameter.name = tokens.pop()
        else:
            parameter.name = f"argument{index}"
        parameter.type = " ".join(tokens).replace(" :: ", "::")
        return parameter
