"""The protocol's models, created when they are first needed, as classes of pydantic.

The generated rooms hold tables, no classes. `load` makes a class of an entry (`entries` has the words), and its fields
refer to other models only by name, by a `Ref`, so that creating one creates no other.

There are two ways in. Who builds a model by hand is held to the schema: wrong types, unknown enum values and unknown
variants are a ``ValidationError``. What the runtime sends goes through `decode`, which never raises: the runtime may be
newer or older than this client. There, unknown fields are kept, an unknown enum value is its string, an unknown variant
an `UnknownObject`, a missing field None, and a value of another type than expected arrives as it came, without spoiling
what is around it. Which of the two is under way, nested references learn from the validation context.

`decode` first validates as if all were well, which costs nothing extra; only an object that fails is read leniently.
"""

from __future__ import annotations

import json
import sys
import threading
from enum import Enum
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar, cast, overload

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic_core import core_schema

from codex_app_server.generated.registry import ROOMS
from codex_app_server.models.describing import Docstring, SignatureOfFields
from codex_app_server.models.entries import Entry, is_value, parse_entry, parse_field
from codex_app_server.models.field_types import type_of
from codex_app_server.models.leniency import Lenient
from codex_app_server.models.variants import EnumKind, Kind, OpenWord, UnionKind, Word

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

    from codex_app_server.protocol.messages import JsonValue

__all__ = ["Model", "Ref", "TaggedModel", "UnknownObject", "decode", "decoder", "from_package", "from_room", "load"]

_T = TypeVar("_T", bound="Model | Enum")
_PACKAGE = "codex_app_server.generated"
_DECODING = object()
"""The validation context of what the runtime sent; in any other, references are strict."""

_lock = threading.RLock()  # two threads must not make one class twice
_kinds: dict[str, Kind] = {}
_decoders: dict[object, Callable[[Any], object]] = {}
_describing = threading.local()

_signature = SignatureOfFields()


class Model(BaseModel):
    """The base of all models.

    A field can be given under its Python name or its wire name; ``model_dump(by_alias=True)`` gives wire names.
    """

    model_config = ConfigDict(extra="allow", populate_by_name=True, protected_namespaces=())

    @classmethod
    def __pydantic_init_subclass__(cls, **_: object) -> None:
        cls.__signature__ = _signature  # type: ignore[assignment]  # a descriptor, as pydantic's own is


class TaggedModel(Model):
    """A variant of a union: the member that says which one counts as set, though nobody has to give it."""

    tag_name_: ClassVar[str] = ""

    def model_post_init(self, _context: object, /) -> None:
        """Without this, ``exclude_unset`` would leave out what the runtime tells variants apart by."""
        self.model_fields_set.add(self.tag_name_)


class UnionModel(TaggedModel):
    """The base of unions that are classes: validated as one, an object becomes one of the variants, its subclasses."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[BaseModel], handler: GetCoreSchemaHandler) -> CoreSchema:
        """That of a reference to the union, for the union; that of a model for its variants."""
        if TaggedModel in cls.__bases__ or UnionModel not in cls.__bases__:  # the former is this class itself
            return handler(source)
        return handler.generate_schema(_annotation(cls.__name__))


class _Choice(Word):
    """The base of enums that are the strings of a union, beside which there are models; validated, it is either."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[Any], handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler.generate_schema(_annotation(cls.__name__))


class UnknownObject(Model):
    """An object of a kind that this client does not know: every member is an attribute, under its wire name."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> JsonValue: ...


class Ref:
    """A reference to a model that need not exist yet; stands in annotations, as ``Annotated[Any, Ref("Turn")]``.

    Args:
        name: of the model.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Ref({self.name!r})"

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validation: by whichever of the two ways is under way."""
        return core_schema.with_info_plain_validator_function(self._validated)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Description: that of the model."""
        return _kind(self.name).described(handler)

    def _validated(self, value: object, info: core_schema.ValidationInfo) -> object:
        if info.context is _DECODING:
            return (_decoders.get(self.name) or _kind(self.name).read)(value)
        return _kind(self.name).build(value)


def load(name: str) -> Any:
    """The model of a name: a class, an enum, or for unions and aliases a type such as ``Union[...]``.

    It is made when it is first asked for, once, whichever thread asks.

    Raises:
        LookupError: if the protocol has no model of that name.
    """
    return _kind(name).type


@overload
def decode(kind: type[_T], value: object) -> _T: ...
@overload
def decode(kind: str, value: object) -> object: ...
def decode(kind: str | type[_T], value: object) -> object:
    """What the runtime sent, as a model; never raises for what `value` is.

    Args:
        kind: the model, or the name of one.
        value: a JSON value.

    Returns:
        the model, or what the rules of this module make of it.

    Raises:
        LookupError: if the protocol has no model of that name.
    """
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _kind(kind).read if isinstance(kind, str) else _kind_of(cast("type[Model | Enum]", kind)).read
        _decoders[kind] = decoder
    return decoder(value)


def decoder(name: str) -> Callable[[object], object]:
    """`decode` for one model, for who has many of them to decode.

    Raises:
        LookupError: if the protocol has no model of that name.
    """
    return _kind(name).read


def from_room(module: str, name: str) -> object:
    """An attribute of a room, for the room's ``__getattr__``."""
    if f"{_PACKAGE}.{ROOMS.get(name)}" != module:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    return load(name)


def from_package(name: str) -> object:
    """An attribute of the package of all rooms, for its ``__getattr__``."""
    if name not in ROOMS:
        raise AttributeError(f"module {_PACKAGE!r} has no attribute {name!r}")
    value = vars(sys.modules[_PACKAGE])[name] = load(name)
    return value


class _ModelKind(Kind):
    """An object."""

    def __init__(self, cls: type[Model]) -> None:
        self._cls = cls
        self._lenient: Lenient[Model] | None = None
        validate = self._validate = cls.__pydantic_validator__.validate_python
        renamed = {name for name, field in cls.model_fields.items() if field.alias not in (None, name)}

        def read(value: object) -> object:
            if type(value) is dict and not renamed.isdisjoint(value):  # only who builds a model uses Python's names
                return self._salvaged(value)
            try:
                return validate(value, context=_DECODING)
            except ValidationError:
                return self._salvaged(value)

        self.read = read

    @property
    def type(self) -> type[Model]:
        """The class."""
        return self._cls

    def build(self, value: object) -> object:
        """The model, or one made of an object."""
        return self._validate(value)

    def fitting(self, value: object) -> object:
        """What was sent, if it is as the schema says but for what is further inside; raises ``ValidationError``."""
        return self._validate(value, context=_DECODING)

    def described(self, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        # With a name of its own pydantic describes a model once, however many refer to it.
        ref = f"{self._cls.__module__}.{self._cls.__qualname__}:{id(self._cls)}"
        reference = core_schema.definition_reference_schema(ref)
        active: set[object] = _describing.__dict__.setdefault("active", set())
        if self._cls in active:  # it refers to itself
            return handler(reference)
        active.add(self._cls)
        try:
            definition = cast("CoreSchema", {**self._cls.__pydantic_core_schema__, "ref": ref})
            return handler(core_schema.definitions_schema(reference, [definition]))
        finally:
            active.discard(self._cls)

    def _salvaged(self, value: object) -> object:
        """An object in which something is not as the schema says; anything but an object stays what it is."""
        if type(value) is not dict:
            return value
        if self._lenient is None:
            self._lenient = Lenient(self._cls, _DECODING)
        return self._lenient.read(value)


class _ShapeKind(Kind):
    """One of several types, told apart by trying."""

    def __init__(self, options: list[str]) -> None:
        self._options = options
        self._type: Any = None
        self._adapter: TypeAdapter[object] = TypeAdapter(_annotation(" | ".join(options)))

        def read(value: object) -> object:
            try:
                return self.build(value)
            except ValidationError:
                return self._salvaged(value)

        self.read = read

    @property
    def type(self) -> Any:
        """A ``Union``."""
        if self._type is None:  # as in `UnionKind`
            self._type = type_of(" | ".join(self._options), load)
        return self._type

    def build(self, value: object) -> object:
        return self._adapter.validate_python(value)

    def described(self, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(self._adapter.core_schema)

    def _salvaged(self, value: object) -> object:
        """What fits none of the options in every detail."""
        if type(value) is not dict:
            try:
                return self._adapter.validate_python(value, context=_DECODING)
            except ValidationError:
                return value
        for option in self._options:
            kind = _kind(option) if option in ROOMS else None
            if isinstance(kind, _ModelKind):
                try:
                    return kind.fitting(value)
                except ValidationError:
                    continue
        return _unknown.read(value)


class _AliasKind(Kind):
    """Another name for a type without models."""

    def __init__(self, words: str) -> None:
        self._annotation = _annotation(words)
        self._type = type_of(words, load)
        self.read = lambda value: value

    @property
    def type(self) -> Any:
        """What it stands for."""
        return self._type

    def build(self, value: object) -> object:
        return TypeAdapter(self._annotation).validate_python(value)

    def described(self, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(TypeAdapter(self._annotation).core_schema)


_unknown = _ModelKind(UnknownObject)


def _kind(name: str) -> Kind:
    """The kind of a name, made if it is not yet."""
    kind = _kinds.get(name)
    if kind is not None:
        return kind
    room = ROOMS.get(name)
    if room is None:
        raise LookupError(f"the protocol has no model {name!r}")
    with _lock:
        if name not in _kinds:
            module = import_module(f"{_PACKAGE}.{room}")
            made = _made(name, module.__name__, parse_entry(module.TABLE[name]))
            if isinstance(made, (_ModelKind, EnumKind)) or (isinstance(made, UnionKind) and made.is_class):
                vars(module)[name] = made.type
                made.type.__doc__ = Docstring(name)
            _decoders[name] = made.read
            _kinds[name] = made
        return _kinds[name]


def _kind_of(cls: type[Any]) -> Kind:
    """The kind of a class, which may be a user's own."""
    known = _kinds.get(cls.__name__)
    if known is not None and known.type is cls:
        return known
    return EnumKind(cls) if issubclass(cls, Enum) else _ModelKind(cls)


def _made(name: str, module: str, entry: Entry) -> Kind:
    """What an entry of a table says, made."""
    match entry.kind:
        case "model":
            return _ModelKind(_model(name, module, entry))
        case "enum":
            return EnumKind(_enum(name, module, list(entry.pairs()), OpenWord if entry.more else Word))
        case "shape":
            return _ShapeKind(entry.parts)
        case "alias":
            return _AliasKind(" | ".join(entry.parts))
        case _:
            return _union(name, module, entry)


def _union(name: str, module: str, entry: Entry) -> Kind:
    words = [(left, json.loads(right)) for left, right in entry.pairs() if is_value(right)]
    variants = {value: model for value, model in entry.pairs() if not is_value(model)}
    values = {value: value for _, value in words}
    cls: type[Any] | None = None
    if entry.more and entry.tag:
        cls = create_model(name, __base__=UnionModel, __module__=module)
    elif entry.more:
        cls = _enum(name, module, words, _Choice)
        values = {member.value: member for member in cls}
    return UnionKind(entry.tag, values, variants, _kind, _unknown, cls)


def _enum(name: str, module: str, members: list[tuple[str, str]], base: type[Word]) -> type[Enum]:
    return cast("type[Enum]", Enum(name, members, type=base, module=module, qualname=name))


def _model(name: str, module: str, entry: Entry) -> type[Model]:
    fields: dict[str, Any] = {}
    for line in entry.parts:
        part = parse_field(line)
        alias = part.wire if part.wire != part.name else None
        if part.is_required:
            fields[part.name] = (_annotation(part.type), Field(alias=alias))
        else:
            # A string may stand for a member of an enum and an object for a model, whose class is not to be made before
            # it is needed.
            is_lazy = isinstance(part.default, (str, list, dict)) and part.name != entry.tag
            more: dict[str, Any] = {"validate_default": True} if is_lazy else {}
            fields[part.name] = (_annotation(part.type), Field(part.default, alias=alias, **more))
    base = load(entry.more) if entry.more else TaggedModel if entry.tag else Model
    model = create_model(name, __base__=base, __module__=module, **fields)
    if issubclass(model, TaggedModel):
        model.tag_name_ = entry.tag
    return model


@cache
def _annotation(words: str) -> Any:
    """A type for a field: models stand in it as references."""
    return type_of(words, lambda name: Annotated[Any, Ref(name)])
