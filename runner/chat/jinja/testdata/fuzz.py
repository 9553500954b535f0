"""Random templates and what jinja2 makes of them, one JSON object a line:

    python3 fuzz.py SEED COUNT > file

The templates are made from the constructs that chat templates use, most of them
of the right types, some of them not: an error is a result too."""

import json
import random
import sys

from reference import render

VARIABLES = {
    "messages": [
        {"role": "system", "content": "Be brief.\n"},
        {"role": "user", "content": "  What's the \"key\"? <b> é\n\nNow. "},
        {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": {"b": 1, "a": [1.5, None, True]}}}]},
        {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "image"}]},
    ],
    "tools": None,
    "n": 3,
    "z": 0,
    "x": -7,
    "f": 2.5,
    "s": "a-b c:D,e",
    "u": "Ünïcode ß 日本 σς",
    "e": "",
    "t": True,
    "d": {"b": 2, "a": 1, "C": [3, 1, 2], "k1": {"x": "y"}},
    "l": ["b", "a", "C", "a"],
    "nums": [3, 1, 2, -5, 0],
    "mixed": [1, "1", 1.0, None, True, [1], {"a": 1}],
    "add_generation_prompt": True,
    "bos_token": "<s>",
}

STRINGS = ["a", "b", "", " ", "abc", "a b  c", "Hello World", "x,y,,z", "<|im_start|>", "\\n", "it's", 'q\\"q', "é", "%s-%d", "{}!", "10", "-3", "4.5", "A", "aXbXc", "\\t x \\n", "日本", "k1", "role", "0x1F", "1_000", "ÀÉ", "ab12"]
FILTERS0 = ["trim", "upper", "lower", "length", "list", "first", "last", "string", "capitalize", "title", "int", "float", "abs", "reverse", "sort", "unique", "join", "tojson", "items", "dictsort", "count", "max", "min", "sum", "wordcount", "escape", "e", "safe", "round", "default", "d", "select", "reject", "indent"]
FILTERS1 = ["join({s})", "default({e})", "default({e}, true)", "d({e}, {e})", "replace({s}, {s})", "replace({s}, {s}, {i})", "trim({s})", "indent({i})", "indent({i}, true)", "indent({i}, first={b}, blank={b})", "indent({s})", "round({i})", "round(1, 'floor')", "round(1, 'ceil')", "batch({i})|list", "batch({i}, {s})|list", "slice({p})|list", "slice({p}, {s})|list", "center({i})", "truncate({p}, true, '')", "truncate(9)", "map('upper')|list", "map(attribute='role')|list", "map(attribute='content', default={s})|list", "map('length')|list", "map('default', {e})|join(',')", "selectattr('role')|list|length", "selectattr('role', 'equalto', 'user')|list", "rejectattr('role', 'equalto', 'user')|map(attribute='role')|list", "selectattr('content', 'string')|map(attribute='role')|join('/')", "selectattr('tool_calls', 'defined')|list|length", "select('string')|list", "select('odd')|list", "reject('none')|list", "select('gt', {i})|list", "select('in', {l})|list", "groupby('role')|map(attribute='grouper')|list", "groupby('role')|list|length", "sort(reverse={b})", "sort(attribute='role')|map(attribute='role')|list", "sort(case_sensitive=true)", "dictsort(by='value')", "dictsort(reverse=true)", "dictsort(true)", "tojson(indent={p})", "tojson(sort_keys=true)", "tojson(ensure_ascii=true)", "tojson(separators=(',', ':'))", "format({e})", "format({e}, {e})", "attr({s})", "int({i})", "int(0, 16)", "int(default={i})", "float({f})", "sum(start={i})", "min(attribute='a')", "max(case_sensitive=true)", "unique(case_sensitive=true)|list", "first|default({s})", "list|last", "list|first", "map('trim')|join", "sum(attribute='x')", "unique|list", "items|list", "reverse|list", "length == {i}"]
TESTS = ["defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "mapping", "iterable", "sequence", "true", "false", "odd", "even", "lower", "upper", "callable", "divisibleby {p}", "divisibleby({p})", "eq {e}", "ne({e})", "gt {i}", "in {l}", "equalto {s}", "sameas true", "sameas none", "lessthan({i})", "filter", "test", "escaped", "ge 1", "!= 1".replace("!= 1", "ne 1")]
METHODS = ["strip()", "lstrip()", "rstrip()", "strip({s})", "upper()", "lower()", "title()", "capitalize()", "swapcase()", "split()", "split({s})", "split({s}, 1)", "rsplit({s}, 1)", "split({s})[-1]", "rsplit()", "split(none, 1)", "splitlines()", "splitlines(true)", "startswith({s})", "endswith({s})", "startswith(({s}, {s}))", "find({s})", "rfind({s})", "index({s})", "count({s})", "replace({s}, {s})", "replace({s}, {s}, {i})", "join({l})", "format({e})", "format({e}, {e})", "partition({s})", "rpartition({s})", "removeprefix({s})", "removesuffix({s})", "center({i})", "center({i}, '*')", "ljust({i})", "rjust({i}, '0')", "zfill({i})", "isdigit()", "isalpha()", "isspace()", "islower()", "isupper()", "istitle()", "isalnum()", "isdecimal()", "isnumeric()", "casefold()", "expandtabs({p})", "lstrip({s})", "find({s}, {i})", "count({s}, {i}, {i})", "startswith({s}, {i})", "isascii()"]
DICT_METHODS = ["get({s})", "get({s}, {e})", "keys()", "values()", "items()", "keys()|list", "values()|list", "items()|list", "copy()", "update({{}})", "pop", "get('a')", "a", "b", "k1.x", "C[0]", "missing", "items"]
LIST_METHODS = ["index({e})", "count({e})", "append", "copy()", "append(1)"]


class Gen:
    def __init__(self, rng):
        self.r = rng
        self.names = list(VARIABLES)
        self.macros = []
        self.loops = 0

    def pick(self, xs):
        return self.r.choice(xs)

    def fill(self, t, depth):
        out = t
        for key, make in (("{s}", self.string), ("{i}", self.integer), ("{p}", lambda d: str(self.r.randint(1, 5))), ("{f}", self.floating), ("{b}", lambda d: self.pick(["true", "false"])), ("{l}", self.listing), ("{e}", self.expr)):
            while key in out:
                out = out.replace(key, make(depth - 1).replace("{", "\0"), 1)
        return out.replace("\0", "{").replace("{{}}", "{}")

    def string(self, depth):
        if depth > 0 and self.r.random() < 0.35:
            return self.pick(["s", "u", "e", "bos_token", "messages[1].content", "messages[0]['role']", "(%s ~ %s)" % (self.expr(depth - 1), self.expr(depth - 1)), "(%s + %s)" % (self.string(depth - 1), self.string(depth - 1)), self.fill("%s." % self.string(0) + self.pick(METHODS), depth), "%s * %s" % (self.string(0), self.integer(0)), "(%s)[%s]" % (self.string(depth - 1), self.slice(depth)), "'%%s|%%5d|%%-4s' %% (%s, %s, %s)" % (self.expr(0), self.integer(0), self.expr(0)), "'%%.2f %%x %%05d %%r %%+d' %% (%s, %s, %s, %s, %s)" % (self.floating(0), self.integer(0), self.integer(0), self.expr(0), self.integer(0)), "'{:>5}|{:<4}|{!r}'.format(%s, %s, %s)" % (self.string(0), self.integer(0), self.expr(0)), "'{0:05.1f}{1:,}{2:^7}'.format(%s, %s, %s)" % (self.floating(0), self.integer(0), self.string(0))])
        q = self.pick(["'", '"'])
        s = self.pick(STRINGS)
        if q in s.replace("\\" + q, ""):
            q = '"' if q == "'" else "'"
        return q + s + q

    def integer(self, depth):
        if depth > 0 and self.r.random() < 0.4:
            return self.pick(["n", "z", "x", "nums[%d]" % self.r.randint(-6, 5), "(%s %s %s)" % (self.integer(depth - 1), self.pick(["+", "-", "*", "//", "%"]), self.integer(depth - 1)), "%s|length" % self.listing(depth - 1), "%s ** %d" % (self.integer(0), self.r.randint(0, 5)), "-%s" % self.integer(0), "(%s)|int" % self.expr(depth - 1), "12345678901234567890"])
        return str(self.r.randint(-3, 12))

    def floating(self, depth):
        if depth > 0 and self.r.random() < 0.4:
            return self.pick(["f", "(%s / %s)" % (self.integer(depth - 1), self.integer(depth - 1)), "(%s %s %s)" % (self.floating(depth - 1), self.pick(["+", "-", "*", "//", "%"]), self.floating(depth - 1)), "%s ** -1" % self.integer(0), "%s * %s" % (self.integer(0), self.floating(0))])
        return self.pick(["0.5", "1.0", "-2.25", "3e5", "1e16", "1e-5", "0.1", "100.0", "2.675", "1E2", "1_0.5"])

    def listing(self, depth):
        if depth > 0 and self.r.random() < 0.5:
            return self.pick(["l", "nums", "mixed", "messages", "d", "range(%s)" % self.integer(0), "range(%d, %d, %s)" % (self.r.randint(-3, 3), self.r.randint(-3, 9), self.pick(["1", "2", "-1"])), "%s[%s]" % (self.pick(["l", "nums", "messages", "mixed"]), self.slice(depth)), "(%s + %s)" % (self.listing(depth - 1), self.listing(depth - 1)), "%s.split(%s)" % (self.string(depth - 1), self.string(0)), "%s * %d" % (self.listing(0), self.r.randint(0, 3))])
        items = ", ".join(self.expr(depth - 1) for _ in range(self.r.randint(0, 3)))
        k = self.r.random()
        if k < 0.7:
            return "[" + items + "]"
        return "(" + items + ("," if items else "") + ")"

    def dicts(self, depth):
        if depth > 0 and self.r.random() < 0.4:
            return self.pick(["d", "messages[0]", "messages[%s]" % self.integer(0), "dict(a=%s, b=%s)" % (self.expr(depth - 1), self.expr(depth - 1)), "dict(d, a=%s)" % self.expr(0), "dict([('a', %s)])" % self.expr(0)])
        return "{" + ", ".join("%s: %s" % (self.pick([self.string(0), self.integer(0), "none", "true", "1.0", "('a', 1)"]), self.expr(depth - 1)) for _ in range(self.r.randint(0, 3))) + "}"

    def slice(self, depth):
        part = lambda: self.pick(["", "", str(self.r.randint(-4, 4)), self.integer(depth - 1)])
        return part() + ":" + part() + self.pick(["", "", ":", ":-1", ":2", ":" + part()])

    def name(self):
        return self.pick(self.names + ["nope", "loop"] if self.loops else self.names + ["nope"])

    def expr(self, depth):
        if depth <= 0:
            return self.pick([self.string(0), self.integer(0), self.name(), self.name(), "none", "true", "false", self.floating(0)])
        k = self.r.random()
        if k < 0.10:
            return self.name()
        if k < 0.20:
            return self.string(depth)
        if k < 0.28:
            return self.integer(depth)
        if k < 0.32:
            return self.floating(depth)
        if k < 0.38:
            return self.listing(depth)
        if k < 0.43:
            return self.dicts(depth)
        if k < 0.50:
            base = self.pick([self.string, self.listing, self.expr, self.integer, self.floating, self.dicts])(depth - 1)
            return "%s|%s" % (self.paren(base), self.pick(FILTERS0))
        if k < 0.62:
            base = self.pick([self.string, self.listing, self.listing, self.expr, self.integer, self.dicts])(depth - 1)
            return self.paren(base) + "|" + self.fill(self.pick(FILTERS1), depth)
        if k < 0.68:
            return "(%s is %s%s)" % (self.expr(depth - 1), self.pick(["", "", "not "]), self.fill(self.pick(TESTS), depth))
        if k < 0.74:
            return "%s.%s" % (self.paren(self.string(depth - 1)), self.fill(self.pick(METHODS), depth))
        if k < 0.78:
            return "%s.%s" % (self.dicts(depth - 1), self.fill(self.pick(DICT_METHODS), depth))
        if k < 0.80:
            return "%s.%s" % (self.listing(depth - 1), self.fill(self.pick(LIST_METHODS), depth))
        if k < 0.84:
            return "(%s %s %s)" % (self.expr(depth - 1), self.pick(["and", "or"]), self.expr(depth - 1))
        if k < 0.88:
            return "(%s %s %s)" % (self.expr(depth - 1), self.pick(["==", "!=", "<", ">", "<=", ">=", "in", "not in"]), self.expr(depth - 1))
        if k < 0.90:
            return "(%s if %s%s)" % (self.expr(depth - 1), self.expr(depth - 1), self.pick(["", " else " + self.expr(depth - 1)]))
        if k < 0.92:
            return "(%s %s %s)" % (self.expr(depth - 1), self.pick(["+", "-", "*", "/", "//", "%", "**", "~"]), self.expr(depth - 1))
        if k < 0.94:
            return "%s[%s]" % (self.paren(self.expr(depth - 1)), self.pick([self.integer(0), self.string(0), self.slice(depth), self.expr(0)]))
        if k < 0.96 and self.macros:
            return "%s(%s)" % (self.pick(self.macros), self.pick(["", self.expr(depth - 1), "b=" + self.expr(0), self.expr(0) + ", " + self.expr(0), "1, 2, 3", "*l[:2]", "**{'a': 1}", "c=1"]))
        if k < 0.98 and self.loops:
            return "loop." + self.pick(["index", "index0", "first", "last", "length", "revindex", "revindex0", "depth", "depth0", "previtem", "nextitem", "cycle('a', 'b')", "changed(n)", "previtem|default('-')"])
        return self.pick(["not " + self.expr(depth - 1), "-%s" % self.integer(depth - 1), "namespace(a=1).a", "ns.a", "ns.b", "strftime_now('%d %b %Y')", "range(3)|list", "(1 < n <= 3)", "messages|length", "messages[-1].role", "messages[-1]['content'][0]['text']", "caller()", "varargs|length", "-2 ** n", "(-2) ** 2", "2 ** -n", "1 if n else 2", "'a' 'b'", "{}.a.b", "nope.x", "messages[9].role"])

    def paren(self, e):
        return "(%s)" % e if self.r.random() < 0.8 else e

    def tag(self, body):
        return "{%" + self.pick(["", "", "-", "-", "+"]) + " " + body + " " + self.pick(["", "", "-", "-", "+"]) + "%}"

    def text(self):
        return self.pick(["", "", "x", "\n", " ", "\n  ", "  \n", "a\n\n", "<|end|>", "\t", " y ", "\n\n   ", "}} ", "{ %", "é\n", "{# c #}", "{#- c\n -#}\n", "\n{# c #}\n", "{% raw %}{{ r }}{% endraw %}", "\r\n", "  {%- raw -%} {% z %}\n{%- endraw +%}\n"])

    def block(self, depth):
        return "".join(self.statement(depth) for _ in range(self.r.randint(1, 3)))

    def statement(self, depth):
        k = self.r.random()
        if depth <= 0 or k < 0.30:
            return self.text() + "{{" + self.pick(["", "-", "+"]) + " " + self.expr(self.r.randint(0, 3)) + " " + self.pick(["", "-"]) + "}}" + self.text()
        if k < 0.45:
            out = self.tag("if " + self.expr(2)) + self.block(depth - 1)
            if self.r.random() < 0.3:
                out += self.tag("elif " + self.expr(1)) + self.block(depth - 1)
            if self.r.random() < 0.4:
                out += self.tag("else") + self.block(depth - 1)
            return out + self.tag("endif")
        if k < 0.62:
            target = self.pick(["m", "i", "v", "k, v", "n", "s", "a, b"])
            over = {"k, v": ["d.items()", "d|items", "d|dictsort", "[(1, 2), [3, 4]]", "['ab', 'cd']"], "a, b": ["[(1, 2)]", "d.items()", "l", "messages|groupby('role')"], "m": ["messages", "messages[1:]", "messages|reverse", "messages if messages else []"]}.get(target, ["l", "nums", "range(4)", "s", "d", "mixed", "nope", self.listing(1)])
            head = "for %s in %s" % (target, self.pick(over))
            if self.r.random() < 0.2:
                head += " if " + self.pick(["loop.index", target.split(",")[0], self.expr(1)])
            if self.r.random() < 0.05:
                head += " recursive"
            saved = list(self.names)
            self.names += [t.strip() for t in target.split(",")]
            self.loops += 1
            body = self.block(depth - 1)
            if self.r.random() < 0.25:
                body += self.tag("if " + self.expr(1)) + self.tag(self.pick(["break", "continue"])) + self.tag("endif") + self.text()
            self.loops -= 1
            self.names = saved
            out = self.tag(head) + body
            if self.r.random() < 0.15:
                out += self.tag("else") + self.block(depth - 1)
            return out + self.tag("endfor")
        if k < 0.78:
            name = self.pick(["a", "b", "n", "s", "messages", "y", "l", "q"])
            if self.r.random() < 0.2:
                name2 = self.pick(["a", "c"])
                self.names += [name, name2]
                return self.tag("set %s, %s = %s" % (name, name2, self.pick(["1, 2", "(%s, %s)" % (self.expr(1), self.expr(1)), self.expr(1)])))
            out = self.tag("set %s = %s" % (name, self.expr(2)))
            if self.r.random() < 0.2:
                out = self.tag("set " + name + self.pick(["", "", " | upper", " | trim", "|replace('a', 'b')"])) + self.block(depth - 1) + self.tag("endset")
            self.names.append(name)
            return out
        if k < 0.84:
            if self.r.random() < 0.5 or "ns" not in self.names:
                self.names.append("ns")
                return self.tag("set ns = namespace(a=%s, b=%s)" % (self.expr(1), self.expr(0)))
            return self.tag("set ns.%s = %s" % (self.pick(["a", "b", "c"]), self.expr(2)))
        if k < 0.90:
            name = "m%d" % self.r.randint(0, 3)
            saved, loops = list(self.names), self.loops
            self.names += ["a", "b"]
            self.loops = 0
            body = self.block(depth - 1)
            self.names, self.loops = saved, loops
            if self.r.random() < 0.2:
                body += "{{ caller() }}"
            if self.r.random() < 0.1:
                body += "{{ kwargs }}{{ varargs }}"
            self.macros.append(name)
            return self.tag("macro %s(%s)" % (name, self.pick(["", "a", "a, b=1", "a, b=a", "a=n, b=2"]))) + body + self.tag("endmacro")
        if k < 0.92 and self.macros:
            return self.tag("call%s %s(%s)" % (self.pick(["", "", "(x)"]), self.pick(self.macros), self.pick(["", "1", "1, 2"]))) + self.block(depth - 1) + self.tag("endcall")
        if k < 0.95:
            self.names += ["w"]
            return self.tag("with w = %s, n = %s" % (self.expr(1), self.expr(1))) + self.block(depth - 1) + self.tag("endwith")
        if k < 0.97:
            return self.tag("filter " + self.pick(["upper", "trim", "replace('a', 'b')", "indent(2)", "title|trim", "length"])) + self.block(depth - 1) + self.tag("endfilter")
        if k < 0.99:
            return self.tag("generation") + self.block(depth - 1) + self.tag("endgeneration")
        return self.tag("print %s, %s" % (self.expr(1), self.expr(1)))


def main():
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    for i in range(count):
        g = Gen(random.Random(seed * 1000003 + i))
        if i % 3 == 0:
            template = "{{ " + g.expr(3) + " }}"
        else:
            template = "".join(g.statement(3) for _ in range(g.r.randint(1, 4)))
        if len(template) > 4000:
            continue
        print(json.dumps({"name": "%d/%d" % (seed, i), "template": template, "want": render(template, json.loads(json.dumps(VARIABLES)))}))


if __name__ == "__main__":
    if sys.argv[1:] == ["variables"]:
        print(json.dumps(VARIABLES, indent=1))
    else:
        main()
