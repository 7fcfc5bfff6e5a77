"""Schemas of requests and responses, from which /docs is generated."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema


def reject_lone_surrogate(text: str) -> str:
    """Return a text; raise ValueError on a lone surrogate, which no encoding can represent."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("half a surrogate pair; remove it") from None
    return text


def as_list(value: Any) -> Any:
    """Wrap a single text in a list."""
    return [value] if isinstance(value, str) else value


STRING = {"type": "string"}
Text = Annotated[str, AfterValidator(reject_lone_surrogate)]
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
    """Texts to turn into vectors."""

    inputs: Texts


class OpenAIRequest(BaseModel):
    """Texts to turn into vectors, in the OpenAI form; other fields are ignored."""

    input: Texts
    model: str | None = None
    encoding_format: Literal["float", "base64"] = "float"


class Word(BaseModel):
    """A word and the model's judgement."""

    text: str
    start: int = Field(description="offset in the text as sent, in code points")
    end: int
    replaced: float = Field(description="probability that it is wrong")
    marked: bool
    exempt: bool = Field(description="a number, a symbol, code or a rare name, which is never marked")
    suggestions: list[str] = Field(description="best first; an empty one removes the word")


class Detected(BaseModel):
    """The words of each text."""

    results: list[list[Word]]
    threshold: float
    offset_encoding: Literal["code points"]


class Predicted(BaseModel):
    """A prediction for each input; its keys depend on the task."""

    results: list[dict[str, Any]]


class Embedded(BaseModel):
    """A vector for each text."""

    embeddings: list[list[float]]


class Problem(BaseModel):
    """An error."""

    error: str
    error_type: str
    code: int
