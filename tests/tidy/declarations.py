"""Finds functions that headers declare and nobody calls."""
import collections
import re

# What others call: gRPC's and Beast's own machinery, argument-dependent look-up, and main.
CALLED_BY_OTHERS = re.compile(r"On[A-Z]\w*|async_\w+|beast_\w+|list_members|to_wait_duration|main|swap|begin|end|max_size")
KEYWORDS = r"(?!(?:return|co_return|co_await|co_yield|else|throw|delete|case|new) )"
# In a header a function is declared without its class's name; elsewhere it is defined at a line's beginning.
DECLARED = re.compile(rf"^[ \t]*(?:\[\[nodiscard\]\] )?{KEYWORDS}\w[\w:<>,*& ]*[ *&>](\w+)\(", re.MULTILINE)
DEFINED = re.compile(rf"^{KEYWORDS}\w[\w:<>,*& ]*[ :*&>](\w+)\(", re.MULTILINE)


def without_words(text):
    """The code without comments and without what stands in quotation marks."""
    return re.sub(r'"(?:[^"\\\n]|\\.)*"', '""', re.sub(r"//[^\n]*", "", text))


def uncalled(sources):
    """sources: path -> text. (path, name) of each function that a header declares and that no line but its own heads names."""
    code = {name: without_words(text) for name, text in sources.items()}
    declared = {(name, found) for name, text in code.items() if name.endswith(".hpp") for found in DECLARED.findall(text)}
    # What is left without the declarations and definitions are uses: calls, addresses and using-declarations.
    used = collections.Counter()
    for name, text in code.items():
        used.update(re.findall(r"\w+", (DECLARED if name.endswith(".hpp") else DEFINED).sub("", text)))
    return sorted((name, found) for name, found in declared if not used[found] and not CALLED_BY_OTHERS.fullmatch(found))
