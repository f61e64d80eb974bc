"""The declaration of one parameter, and what it is read from.

A parameter is declared once, as a class attribute of a section of the catalogue::

    class Patience(Section, title="time limits"):
        smtp_helo_timeout = Seconds("300s", "How long the greeting may take.", mirror="lmtp_lhlo_timeout", in_effect=True)

The attribute is named as in main.cf.  Read from an object of the section it is the typed value; read from the class it is the
declaration.  On settings that are bound to LMTP the same attribute reads the mirror (`lmtp_lhlo_timeout`): whoever writes
protocol code reads one name.  The first access parses, all later ones are plain attributes: the descriptor has no `__set__`, so
what is put into the instance's `__dict__` comes before it.

The kinds (`Flag`, `Seconds`, ...) are in `kinds`.  A kind turns text into a value or raises `WrongValue`, whose text completes
the sentence "expected ...".
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, Self, TypeVar, overload

from mailrider.model.request import Transport

T = TypeVar("T")

FAMILY_PREFIX = "transport"
"""`transport_recipient_limit` stands for `<service>_recipient_limit`, whatever the service is called (postconf(5))."""


class WrongValue(ValueError):
    """A value that its kind does not accept; the text says what would be accepted."""


class Section(ABC):
    """A group of parameters, and the interface by which they get their values."""

    title: ClassVar[str] = ""
    declared: ClassVar[dict[str, Parameter[Any]]] = {}
    """Every parameter of this class and its bases by attribute name, in the order of declaration."""

    def __init_subclass__(cls, *, title: str = "", **rest: Any) -> None:
        super().__init_subclass__(**rest)
        cls.title = title
        cls.declared = {}
        for base in cls.__mro__[1:]:
            cls.declared.update(getattr(base, "declared", {}))
        for attribute, thing in vars(cls).items():
            if isinstance(thing, Parameter):
                thing.section = title
                cls.declared[attribute] = thing

    @abstractmethod
    def resolve(self, parameter: Parameter[T]) -> T:
        """The typed value of `parameter`; raises `WrongConfiguration`."""


class Parameter(ABC, Generic[T]):
    """One parameter.

    `default` is the text that `postconf -d` of Postfix 3.7 shows; for what is newer, the text with which nothing changes.
    `in_effect`: Mailrider does what it says; otherwise it is accepted, checked, and reported as not in effect.
    `moot`: why there is nothing here that it could act on; it is accepted, and whoever sets it is told.
    `since`: the first Postfix release that has it.
    `mirror` is the name in LMTP mode: by default `lmtp_` for `smtp_`, empty where there is none.
    `mirror_default`: where the mirror has a default of its own.
    `obsolete`: why it should not be set any more; `replaced_by`: what to set instead.
    `listed`: whether `postconf -d` knows it.  `ours`: Postfix does not know it.
    `per_service`: it stands for a parameter of every service (`family`).
    `computed`: its default is found at run time.  `read_only`: what the operator says about it is not heard.
    """

    wanted: str = "a value"
    """What the kind accepts, for messages."""

    def __init__(
        self,
        default: str,
        doc: str,
        *,
        in_effect: bool,
        since: str = "2.0",
        mirror: str | None = None,
        mirror_default: str | None = None,
        moot: str = "",
        obsolete: str = "",
        replaced_by: str = "",
        listed: bool = True,
        ours: bool = False,
        computed: bool = False,
        read_only: bool = False,
        per_service: bool = False,
        name: str = "",
    ) -> None:
        self.default = default
        self.doc = doc
        self.in_effect = in_effect
        self.since = since
        self.moot = moot
        self.obsolete = obsolete
        self.replaced_by = replaced_by
        self.listed = listed
        self.ours = ours
        self.computed = computed
        self.read_only = read_only
        self.per_service = per_service
        self.name = name
        self.attribute = ""
        self.section = ""
        self._mirror = mirror
        self._mirror_default = mirror_default

    def __set_name__(self, owner: type, attribute: str) -> None:
        self.attribute = attribute
        self.name = self.name or attribute
        if self._mirror is None:
            self._mirror = "lmtp_" + self.name[5:] if self.name.startswith("smtp_") else ""

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: Section, owner: type) -> T: ...

    def __get__(self, instance: Section | None, owner: type) -> Self | T:
        if instance is None:
            return self
        value = instance.__dict__[self.attribute] = instance.resolve(self)
        return value

    @property
    def kind(self) -> str:
        """The name of the kind."""
        return type(self).__name__

    @property
    def mirror(self) -> str:
        """The name in LMTP mode, or an empty text where the one name serves both."""
        return self._mirror or ""

    @property
    def mirror_default(self) -> str:
        """The default of the mirror; a default that refers to `smtp_` parameters refers to their mirrors there."""
        if self._mirror_default is not None:
            return self._mirror_default
        return self.default.replace("$smtp_", "$lmtp_").replace("${smtp_", "${lmtp_")

    @property
    def names(self) -> tuple[str, ...]:
        """All names in main.cf."""
        return (self.name, self._mirror) if self._mirror else (self.name,)

    @property
    def family(self) -> str:
        """What follows the name of the service: `_recipient_limit` for `transport_recipient_limit`; else empty."""
        return self.name.removeprefix(FAMILY_PREFIX) if self.per_service else ""

    def name_for(self, transport: Transport) -> str:
        """The name that counts when `transport` is spoken."""
        return self._mirror if self._mirror and transport is Transport.LMTP else self.name

    def default_of(self, name: str) -> str:
        """The unexpanded default of one of `names`."""
        return self.mirror_default if name == self._mirror else self.default

    def parse(self, text: str) -> T:
        """Turn the expanded text into the value; raises `WrongValue`."""
        return self._convert(text)

    @abstractmethod
    def _convert(self, text: str) -> T:
        """`parse` of one kind."""
