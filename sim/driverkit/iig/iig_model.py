"""iig_model.py - what an interface file says: classes, methods, parameters, and the rules that follow from attributes.

Attribute words (Apple's iig; facts of xnu iokit/DriverKit/*.iig):
  (none)       a message: callers use a stub, the implementation is M_Impl in whichever class declares the method
  LOCAL        the same, implemented in the dext's process
  LOCALONLY    a plain C++ method: no message, no M_Impl. Inherited: an override of it is plain too
  KERNEL       on a class: implemented outside the dext, that is by our runtime
  TARGET       on an OSAction parameter: the message goes to the action's target, not to `this`
  TYPE(C::M)   on a method: it can receive actions of that type, so CreateActionM() is generated
  QUEUENAME(q) the queue the message is delivered on, instead of "Default"
  EXTENDS(C)   on a class: its methods are merged into C
"""
import re
from dataclasses import dataclass, field

ROOT_CLASS = "OSMetaClassBase"

# Declared by the root class, which is ordinary C++ in <DriverKit/OSMetaClass.h>: never messages.
ROOT_METHODS = {"init", "free", "retain", "release", "getMetaClass", "isEqualTo", "Dispatch", "GetClass", "IsRemote"}

WORDS = {"LOCAL", "LOCALONLY", "LOCALHOST", "KERNEL", "NATIVE", "REMOTE", "REPLY", "INVOKEREPLY", "TARGET",
         "SERIALIZABLE", "CONCRETE", "PORTMAKESEND", "PORTCOPYSEND"}
CALLS = {"TYPE", "EXTENDS", "QUEUENAME"}


class IigError(Exception):
    """A problem in an interface file, at a place."""

    def __init__(self, path, line, sentence):
        super().__init__(f"{path}:{line}: error: {sentence}")


def plain_word(word):
    """IIG_LOCAL and LOCAL are the same attribute."""
    return word[4:] if word.startswith("IIG_") else word


@dataclass
class Parameter:
    type: str            # without the name, array suffix or default: "const IOAddressSegment"
    name: str
    array: str = ""      # "[32]"
    default: str = ""    # "NULL"
    target: bool = False
    action_type: str = ""

    def declaration(self, with_default=False):
        text = f"{self.type} {self.name}{self.array}"
        return f"{text} = {self.default}" if with_default and self.default else text

    def member_type(self):
        """Arrays, by suffix or by typedef, travel as pointers."""
        return f"std::decay_t<{self.type}{self.array}>"

    def pointee(self):
        """The class name of a plain object pointer parameter, else None."""
        match = re.fullmatch(r"(?:const\s+)?(\w+)\s*\*\s*(?:const)?", self.type.strip())
        return match.group(1) if match and not self.array else None


@dataclass
class Method:
    name: str
    result: str
    parameters: list
    line: int
    virtual: bool = False
    static: bool = False
    const: bool = False
    override: bool = False
    final: bool = False
    words: set = field(default_factory=set)
    action_type: str = ""      # TYPE(C::M)
    queue: str = ""            # QUEUENAME(q)
    access: str = "public"

    def target_parameter(self):
        return next((p for p in self.parameters if p.target), None)

    def one_way(self):
        return self.result == "void"

    def args(self):
        return ", ".join(p.declaration() for p in self.parameters)

    def names(self):
        return ", ".join(p.name for p in self.parameters)


@dataclass
class Class:
    name: str
    base: str
    path: str
    line: int
    words: set
    extends: str = ""
    methods: list = field(default_factory=list)
    extras: list = field(default_factory=list)   # (access, text): typedefs and such, copied
    final: bool = False

    def kernel(self):
        return "KERNEL" in self.words


class Database:
    """Every class read so far, with the questions that need the inheritance chain."""

    def __init__(self):
        self.classes = {}
        self.forward = set()      # declared with `class X;` only

    def add(self, cls):
        if cls.name in self.classes:
            raise IigError(cls.path, cls.line, f"class {cls.name} is already defined in "
                                               f"{self.classes[cls.name].path}:{self.classes[cls.name].line}")
        self.classes[cls.name] = cls

    def bases(self, cls):
        """The ancestors, nearest first, as far as they are known."""
        base = self.classes.get(cls.base)
        while base is not None:
            yield base
            base = self.classes.get(base.base)

    def local_only(self, cls, method):
        """LOCALONLY here, or in the ancestor that introduced the method (it is inherited)."""
        if method.name in ROOT_METHODS or "LOCALONLY" in method.words:
            return True
        return any(m.name == method.name and self.local_only(base, m)
                   for base in self.bases(cls) for m in base.methods)

    def introducer(self, cls, method):
        """The class whose message this is: `cls` itself or the ancestor it overrides."""
        owner = cls
        for base in self.bases(cls):
            if any(m.name == method.name for m in base.methods):
                owner = base
        return owner

    def find_message(self, cls_name, method_name, path, line):
        """(introducing class, method) of C::M."""
        cls = self.classes.get(cls_name)
        if cls is None:
            raise IigError(path, line, f"TYPE({cls_name}::{method_name}): class {cls_name} is not known here; "
                                       "include its .iig")
        for candidate in [cls, *self.bases(cls)]:
            for method in candidate.methods:
                if method.name == method_name:
                    owner = self.introducer(candidate, method)
                    return owner, next(m for m in owner.methods if m.name == method_name)
        raise IigError(path, line, f"TYPE({cls_name}::{method_name}): {cls_name} has no method {method_name}")


def message_id(class_name, method_name):
    """FNV-1a of "C::M": stable from build to build, distinct within a program (the compiler checks the switch)."""
    value = 0xcbf29ce484222325
    for byte in f"{class_name}::{method_name}".encode():
        value = ((value ^ byte) * 0x100000001b3) & 0xffffffffffffffff
    return value
