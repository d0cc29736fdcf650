"""Errors as `application/problem+json` (RFC 9457), and how the OpenAPI document announces them."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match

from ticketcore.errors import DatabaseUnavailable, InvalidInput, NotSignedIn, TicketDeskError, TooMany
from ticketcore.validation import faults

PROBLEM = "application/problem+json"

REQUEST_ID: dict[str, Any] = {
    "X-Request-ID": {
        "description": "By which the desk's log names this request",
        "schema": {"type": "string", "examples": ["5c1d0c9e4d8f4b7c9d4a"]},
    }
}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

Responses = dict[int | str, dict[str, Any]]


class Problem(BaseModel):
    """What went wrong, as RFC 9457 has it."""

    type: str = Field("about:blank", description="Always `about:blank`: the status says what kind it is")
    title: str = Field(description="What kind of problem it is, for people", examples=["Some fields are not valid"])
    status: int = Field(description="The status of the answer", examples=[422])
    detail: str = Field(description="What is wrong this time, for people", examples=["title: must not be blank"])
    errors: dict[str, str] | None = Field(
        None, description="What is wrong, by field or parameter", examples=[{"title": "must not be blank"}]
    )


ALWAYS: Responses = {
    401: {"model": Problem, "description": "The desk has sign-in, and there is no valid token"},
    403: {"model": Problem, "description": "The token's role does not allow this"},
    422: {"model": Problem, "description": "A field is not valid"},
    503: {"model": Problem, "description": "The database is away"},
}
UNREADABLE: dict[str, Any] = {
    "description": "The body cannot be read as the text that it should be",
    "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
OFTEN: Responses = {429: {"model": Problem, "description": "The caller asks too often; `Retry-After` says when to"}}
MISSING: Responses = {404: {"model": Problem, "description": "There is no such ticket"}}


def install(api: FastAPI) -> None:
    """Lets the API answer every error as a problem."""
    api.openapi = lambda: _announced(api)  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    api.add_exception_handler(TicketDeskError, _explain)
    api.add_exception_handler(RequestValidationError, _explain_request)
    api.add_exception_handler(HTTPException, _explain_http)


def problem(title: str, status: int, detail: str, errors: dict[str, str] | None = None) -> JSONResponse:
    """The answer to a request that failed."""
    content = Problem(title=title, status=status, detail=detail, errors=errors)
    return JSONResponse(content.model_dump(exclude_none=True), status, media_type=PROBLEM)


def _announced(api: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with errors announced as the media type that they have."""
    document = FastAPI.openapi(api)
    for calls in document["paths"].values():
        for call in calls.values():
            if "requestBody" in call:
                call["responses"].setdefault("400", {**UNREADABLE})
            if "security" in call:
                call["security"] = [{}, *call["security"]]  # a desk without sign-in asks for no token
            for status, answer in call["responses"].items():
                answer["headers"] = {**answer.get("headers", {}), **REQUEST_ID}
                if status >= "400" and "application/json" in answer.get("content", {}):
                    answer["content"][PROBLEM] = answer["content"].pop("application/json")
    return document


def _explain(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, TicketDeskError)  # noqa: S101 - what the handler is registered for
    errors = error.errors if isinstance(error, InvalidInput) else None
    response = problem(error.title, error.status, str(error), errors)
    match error:
        case DatabaseUnavailable():
            response.headers["Retry-After"] = "2"
        case TooMany():
            response.headers["Retry-After"] = str(error.seconds)
        case NotSignedIn():
            response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _explain_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what the handler is registered for
    return _explain(request, InvalidInput(faults(error.errors(), outer=1)))


def _explain_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - what the handler is registered for
    response = problem(error.detail, error.status_code, error.detail)
    response.headers.update(error.headers or {})
    if error.status_code == 405:
        response.headers["Allow"] = ", ".join(_methods(request))
    return response


def _methods(request: Request) -> list[str]:
    """What the path can be asked with; Starlette itself would name the methods of one of its routes alone."""
    found = [method for method in METHODS if _is_answered(request, method)]
    return ["GET", "HEAD", *found[1:]] if "GET" in found else found


def _is_answered(request: Request, method: str) -> bool:
    scope = {**request.scope, "method": method}
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.router.routes)


def apology() -> JSONResponse:
    """The answer to a request that failed in a way that nobody foresaw."""
    return problem("Internal error", 500, "The desk failed to answer this. The failure was logged.")
