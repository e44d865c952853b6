#!/usr/bin/env python3
"""Where the lines live: figures of the sources' structure, and the rules that `make lint` holds.

  tests/house/structure.py [--build DIR] [--all]   print the figures, and what is over its limit (--all: all that is counted);
                                                   1 where something is

A module is a source with the header of its name. It uses another one where its object file takes a symbol from that one's, or where
one of its files includes that one's header. The rooms are the folders of core/, fs/ and tools/; ROOMS says which lies above which in core/ and
fs/.
"""
import collections
import os
import re
import subprocess
import sys

# From the top down: a room includes what stands after it in its line, and never what stands before. `.` is the folder itself.
ROOMS = {
    "core": [".", "shared", "change", "view", "engine", "etcd", "store", "registry", "text", "base"],
    "fs": ["process", "control", "map", "hostlocal", "tree", "resume", "base"],
}
# What fs/ and tools/ may include of core/: its face, and what knows of nothing but itself. Two look at the database without the library:
# who judges and repairs it, and who measures.
FACE = re.compile(r"core/(ipam\w*\.h|base/)")
INSIDERS = ("tools/ipamctl/", "tools/bench/")
CIRCLES = [{"core/registry/registry", "core/registry/registry_lease"}]
MOST_PARAMETERS = 6
LONGEST = 600
# What is not reached yet. A figure may shrink below its limit, and then the limit shrinks, too; the aim stands behind each in what is
# printed.
LIMITS = {"astray": 5, "circles": 9, "upward": 30, "parameters": 37, "long": 6, "exported": 0}


def git_files(*patterns):
    return subprocess.run(["git", "ls-files", *patterns], capture_output=True, text=True, check=True).stdout.split()


def bare(text):
    """Without comments, strings and preprocessor lines, so that braces and names are code alone."""
    text = re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'', " ", text, flags=re.S)
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", "", text, flags=re.M)


def outside(text):
    """What stands outside of all braces; a body is left as {}."""
    depth, out = 0, []
    for c in bare(text):
        if c == "{":
            depth += 1
            if depth == 1:
                out.append("{}")
        elif c == "}":
            depth -= 1
        elif depth == 0:
            out.append(c)
    return "".join(out)


FUNCTION = re.compile(r"\b([a-z_]\w*)\s*(\((?:[^(){}]|\((?:[^()]|\([^()]*\))*\))*\))\s*(?:__attribute__\s*\(\(.*?\)\)\s*)?(;|\{\})")


def functions(text):
    """(name, how many parameters, whether it is the definition) of each function named outside of braces."""
    for statement in re.finditer(r"[^;{}]*(?:;|\{\})", outside(text)):
        statement = statement.group(0)
        if re.match(r"\s*(typedef|struct\s+\w+\s*\{|enum|union)", statement):
            continue
        match = FUNCTION.search(statement)
        if match is None or "=" in statement[: match.start()] or not statement[: match.start(1)].strip():
            continue
        inner, depth, commas = match.group(2)[1:-1].strip(), 0, 0
        for c in inner:
            depth += (c == "(") - (c == ")")
            commas += c == "," and depth == 0
        yield match.group(1), 0 if inner in ("", "void") else commas + 1, match.group(3) != ";"


class House:
    def __init__(self, build):
        self.build = build
        self.sources = [f for f in git_files("core/*.c", "fs/*.c", "tools/*.c") if os.path.exists(f)]
        self.headers = [f for f in git_files("core/*.h", "fs/*.h", "tools/*.h") if os.path.exists(f)]
        self.text = {f: open(f, encoding="utf-8").read() for f in self.sources + self.headers}
        self.defined = {}  # a function that others see -> its module
        self.uses = collections.defaultdict(set)
        self.read_objects()
        self.read_includes()

    def read_objects(self):
        wanted = collections.defaultdict(set)
        for source in self.sources:
            module, object_file = source[:-2], os.path.join(self.build, source[:-2] + ".o")
            if not os.path.exists(object_file):
                sys.exit(f"{object_file} is not there: make all first")
            for line in subprocess.run(["nm", object_file], capture_output=True, text=True, check=True).stdout.splitlines():
                kind, name = line.split()[-2:]
                if kind == "U":
                    wanted[module].add(name)
                elif kind in "TDBRVW" and name != "main":
                    self.defined.setdefault((self.program_of(module), name), module)
        for module, names in wanted.items():
            for name in names:
                other = next((self.defined[p, name] for p in (self.program_of(module), "tools/cli", "core") if (p, name) in self.defined), None)
                if other not in (None, module):
                    self.uses[module].add(other)

    def read_includes(self):
        self.includes = collections.defaultdict(set)
        for file, text in self.text.items():
            for name in re.findall(r'^\s*#\s*include\s+"([^"]+)"', text, flags=re.M):
                top = "/".join(file.split("/")[:2]) if file.startswith("tools/") else file.split("/")[0]
                for place in (os.path.dirname(file), top, file.split("/")[0], "core", "."):
                    path = os.path.normpath(os.path.join(place, name))
                    if path in self.text:
                        self.includes[file].add(path)
                        break

    def circles(self):
        """Strongly connected components of more than one module (Tarjan)."""
        index, low, stack, found = {}, {}, [], []

        def visit(v):
            index[v] = low[v] = len(index)
            stack.append(v)
            for w in self.uses[v]:
                if w not in index:
                    visit(w)
                    low[v] = min(low[v], low[w])
                elif w in stack:
                    low[v] = min(low[v], index[w])
            if low[v] == index[v]:
                circle = set()
                while True:
                    w = stack.pop()
                    circle.add(w)
                    if w == v:
                        break
                if len(circle) > 1:
                    found.append(circle)

        sys.setrecursionlimit(10000)
        for module in [s[:-2] for s in self.sources]:
            if module not in index:
                visit(module)
        return found

    def upward(self):
        """Arrows from a room to one above it: by what objects take, and by what files include; a pair of modules once."""
        arrows = {(a, b) for a, others in self.uses.items() for b in others if self.is_upward(a, b)}
        for a, others in self.includes.items():
            for b in others:
                own = not a.startswith(("core/",) + INSIDERS) and b.startswith("core/") and not FACE.match(b)
                if own or self.is_upward(a, b):
                    arrows.add((a[:-2], b[:-2]))
        return [f"{a} -> {b}" for a, b in sorted(arrows)]

    def is_upward(self, a, b):
        (tree, room), (tree_b, room_b) = self.room_of(a), self.room_of(b)
        if tree != tree_b:
            return tree_b != "core"
        rooms = ROOMS.get(tree, [])
        if b in ("core/ipam.h", "core/ipam"):
            return not b.endswith(".h") and room != "."  # the public types are everybody's
        return room in rooms and room_b in rooms and rooms.index(room_b) < rooms.index(room)

    @staticmethod
    def program_of(path):
        """Within which a name means one thing: core, fs, or a folder of tools."""
        return "/".join(path.split("/")[: 2 if path.startswith("tools/") else 1])

    @staticmethod
    def room_of(path):
        parts = path.split("/")
        return parts[0], "." if len(parts) == 2 else parts[1]


def main():
    build = sys.argv[sys.argv.index("--build") + 1] if "--build" in sys.argv else "build"
    house, over = House(build), []

    def figure(name, value, key=None, aim="", lines=()):
        """A line, and with more than the limit of this key all that is counted."""
        print(f"{name:<68} {value}{aim and f'   (aim: {aim})'}")
        number = float(str(value).split()[0]) if key else 0
        if key and number > LIMITS[key]:
            over.append(f"{name}: {value}, at most {LIMITS[key]}")
        if key and (number > LIMITS[key] or "--all" in sys.argv):
            for line in lines:
                print("    " + line)

    declared, astray = 0, []
    for header in house.headers:
        if header == "core/ipam.h" or header.startswith("core/ipam_"):
            continue  # the public face
        for name, _, definition in functions(house.text[header]):
            module = house.defined.get((house.program_of(header), name))
            if definition or module is None:
                continue
            declared += 1
            if module != header[:-2]:
                astray.append(f"{name}: declared in {header}, defined in {module}.c")
    exporting = set(house.defined.values())
    alone = [s for s in house.sources if s[:-2] in exporting and s[:-2] + ".h" not in house.text]
    circles = [" ".join(sorted(c)) for c in house.circles() if c not in CIRCLES]
    upward = house.upward()
    many = [f"{f}: {name} has {n}" for f in house.sources for name, n, definition in functions(house.text[f]) if definition and n > MOST_PARAMETERS]
    long_ones = [f"{f}: {n} lines" for f, n in ((f, t.count("\n")) for f, t in house.text.items()) if n > LONGEST]
    product = [t for f, t in house.text.items() if not f.startswith("tools/bench/")]

    figure("functions that a header declares", declared)
    figure("% of them that a source of another name defines", f"{100 * len(astray) / max(declared, 1):.1f}", "astray", "5", astray)
    figure("sources that export something and have no header", len(alone))
    figure("circles of modules besides registry and registry_lease", len(circles), "circles", "0", circles)
    figure("arrows that point up", len(upward), "upward", "0", upward)
    figure(f"functions with more than {MOST_PARAMETERS} parameters", len(many), "parameters", "0", many)
    figure(f"files of more than {LONGEST} lines", len(long_ones), "long", "0", long_ones)
    figure("asserts", sum(len(re.findall(r"\bassert\(", bare(t))) for t in house.text.values()))
    figure("lines of product code", sum(t.count("\n") for t in product))
    library = os.path.join(build, "package", "libipam.a")
    if os.path.exists(library):
        out = subprocess.run(["nm", "-g", "--defined-only", library], capture_output=True, text=True, check=True).stdout
        names = [line.split()[-1] for line in out.splitlines() if len(line.split()) == 3]
        foreign = [n for n in names if not n.startswith(("ipam_", "cidr_"))]
        figure("names that the installed library exports without a prefix of ours", len(foreign), "exported", "0", foreign)
    for line in over:
        print("not ok - " + line)
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
