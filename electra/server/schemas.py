"""Schemas of requests and responses, from which /docs is generated."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from electra.text.unicode import require_valid


def as_list(value: Any) -> Any:
    """Wrap a single text in a list."""
    return [value] if isinstance(value, str) else value


def is_ids(value: Any) -> bool:
    """Return whether a value is one list of token ids."""
    return isinstance(value, list) and bool(value) and all(type(each) is int for each in value)


def lower(value: Any) -> Any:
    """Lower-case a string."""
    return value.lower() if isinstance(value, str) else value


STRING = {"type": "string"}
IDS = {"type": "array", "items": {"type": "integer"}, "minItems": 1}
Text = Annotated[str, AfterValidator(require_valid)]
Texts = Annotated[
    list[Text],
    BeforeValidator(as_list),
    Field(min_length=1, description="one text or several"),
    WithJsonSchema({"anyOf": [STRING, {"type": "array", "items": STRING, "minItems": 1}]}),
]
Inputs = Annotated[
    list[Text | Annotated[list[Text], Field(min_length=1)]],
    BeforeValidator(as_list),
    Field(min_length=1, description="texts; pairs and tagging take a list of two texts or of words for each"),
    WithJsonSchema(
        {"anyOf": [STRING, {"type": "array", "minItems": 1,
                            "items": {"anyOf": [STRING, {"type": "array", "items": STRING, "minItems": 1}]}}]}
    ),
]  # fmt: skip


TextsOrIds = Annotated[
    list[Text | Annotated[list[Annotated[int, Field(strict=True)]], Field(min_length=1)]],
    BeforeValidator(lambda value: [value] if is_ids(value) else as_list(value)),
    Field(min_length=1, description="texts, or lists of token ids of the model's own vocabulary"),
    WithJsonSchema(
        {"anyOf": [STRING, IDS, {"type": "array", "items": {"anyOf": [STRING, IDS]}, "minItems": 1}]}
    ),
]  # fmt: skip
TRUNCATE = "cut an input that is too long for the model; otherwise it is refused"


class Strict(BaseModel):
    """A body that rejects unknown fields."""

    model_config = ConfigDict(extra="forbid")


class DetectRequest(Strict):
    """Texts in which to mark words."""

    inputs: Texts
    threshold: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = Field(
        None, description="mark words at or above this probability; default: the model's own"
    )
    suggestions: int = Field(3, ge=0, le=10, description="words proposed for each marked word")


class PredictRequest(Strict):
    """Texts to classify, tag or answer."""

    inputs: Inputs


class EmbedRequest(Strict):
    """Texts to turn into vectors, in the form of Text Embeddings Inference."""

    inputs: TextsOrIds
    normalize: bool = Field(True, description="scale each vector to unit length")
    truncate: bool = Field(False, description=TRUNCATE)
    truncation_direction: Annotated[Literal["left", "right"], BeforeValidator(lower)] = Field(
        "right", description="the side that is cut"
    )
    dimensions: int | None = Field(None, ge=1, description="keep the first dimensions of each vector only")


class TokenizeRequest(Strict):
    """Texts to tokenise, in the form of Text Embeddings Inference."""

    inputs: Texts
    add_special_tokens: bool = Field(True, description="with those that begin and end what the model reads")


class OpenAIRequest(BaseModel):
    """Texts to turn into vectors, in the OpenAI form; other fields are ignored."""

    input: TextsOrIds
    model: str | None = Field(None, description="any name; that of this model for token ids")
    encoding_format: Literal["float", "base64"] = Field("float", description="numbers, or their bytes in base64")
    dimensions: int | None = Field(None, ge=1, description="keep the first dimensions of each vector only")
    truncate: bool = Field(False, description=TRUNCATE)


class Word(BaseModel):
    """A word and the model's judgement."""

    text: str = Field(description="as sent")
    start: int = Field(description="offset in the text as sent, in code points")
    end: int = Field(description="offset behind its last character")
    replaced: float = Field(description="probability that it is wrong")
    marked: bool = Field(description="at or above the threshold, and not exempt")
    exempt: bool = Field(description="a number, a symbol, code, a rare name or another language: never marked")
    suggestions: list[str] = Field(description="best first; an empty one removes the word")
    certainty: float = Field(description="probability that the first suggestion is what was meant")


class Detected(BaseModel):
    """The words of each text."""

    results: list[list[Word]] = Field(description="the words of each text, in order")
    threshold: float = Field(description="the one that was used")
    offset_encoding: Literal["code points"] = Field(description="what offsets count, as in Python")
    without_suggestions: list[int] = Field(
        description="marked words of each text that got no suggestions: only its --max-suggested most probable do"
    )


class Predicted(BaseModel):
    """A prediction for each input; its keys depend on the task."""

    results: list[dict[str, Any]] = Field(description="what the model says of each input")


class Token(BaseModel):
    """A token of a text; offsets in code points, null for a special token."""

    id: int = Field(description="its number in the vocabulary")
    text: str = Field(description="as it stands in the vocabulary")
    special: bool = Field(description="added by the model, not of the text")
    start: int | None = Field(description="offset in the text as sent, in code points; null if special")
    stop: int | None = Field(description="offset behind its last character; null if special")


class Problem(BaseModel):
    """An error."""

    error: str
    error_type: str
    code: int
