"""Problems by RFC 9457, in the caller's language: what, why, what next, and whether sending again is safe."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from kaipiao.api.addresses import methods_at
from kaipiao.errors import Internal, KaipiaoError, Malformed, MethodRefused, NotFound, RulesBroken
from kaipiao.language import Language, Text, from_accept_language

log = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
SECONDS_TO_TRY_AGAIN = "2"


def problem(error: KaipiaoError, language: Language, request_id: str) -> dict[str, object]:
    """The problem as JSON. Facts are codes and field paths, never invoice content."""
    body: dict[str, object] = {
        "type": f"urn:kaipiao:problem:{error.code}",
        "title": error.title.in_language(language),
        "status": error.status,
        "detail": error.detail.in_language(language),
        "instance": f"urn:kaipiao:request:{request_id}",
        "code": error.code,
        "next_step": error.next_step.in_language(language),
        "send_again": error.resend.value,
        "request_id": request_id,
    }
    for name, value in error.facts.items():
        body.setdefault(name, _findings(value, language) if isinstance(error, RulesBroken) else value)
    return body


def _findings(value: object, language: Language) -> object:
    if not isinstance(value, (list, tuple)):
        return value
    return [{"code": f.code, "path": f.path, "text": f.text.in_language(language), "source": f.source} for f in value]


def response(error: KaipiaoError, request: Request) -> JSONResponse:
    language = from_accept_language(request.headers.get("accept-language"))
    request_id = str(request.scope.get("kaipiao.request_id", ""))
    headers: dict[str, str] = {"Content-Language": language, "X-Request-Id": request_id}
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="kaipiao"'
    if error.status == 503:
        headers["Retry-After"] = SECONDS_TO_TRY_AGAIN
    if error.status == 409 and "retry_after" in error.facts:
        headers["Retry-After"] = str(error.facts["retry_after"])
    if error.status == 429:
        headers |= _rate_headers(error)
    return JSONResponse(problem(error, language, request_id), error.status, headers, MEDIA_TYPE)


def defect(error: Exception, request: Request) -> JSONResponse:
    """Logged with its trace, and tells nothing."""
    log.error("defect", exc_info=error, extra={"request_id": request.scope.get("kaipiao.request_id")})
    return response(Internal(), request)


def _rate_headers(error: KaipiaoError) -> dict[str, str]:
    """Retry-After, and the fields of draft-ietf-httpapi-ratelimit-headers where a rate was passed."""
    seconds, rate = error.facts.get("retry_after", 1), error.facts.get("requests_per_second")
    headers = {"Retry-After": str(seconds)}
    if isinstance(rate, float):
        headers["RateLimit-Policy"] = f'"subject";q={max(1, int(rate))};w={max(1, round(1 / rate))}'
        headers["RateLimit"] = f'"subject";r=0;t={seconds}'
    return headers


def install(app: FastAPI) -> None:
    """Every error of every route leaves as a problem; a defect of ours is logged with its trace and tells nothing."""

    @app.exception_handler(KaipiaoError)
    async def known(request: Request, error: KaipiaoError) -> JSONResponse:
        return response(error, request)

    @app.exception_handler(RequestValidationError)
    async def wrong_parameters(request: Request, error: RequestValidationError) -> JSONResponse:
        places = sorted({".".join(str(p) for p in e["loc"]) for e in error.errors()})
        refusal = Malformed(Text("请求参数有误", "A request parameter is wrong"), fields=places)
        return response(refusal, request)

    @app.exception_handler(HTTPException)
    async def by_status(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 404:
            return response(NotFound(Text("没有这个地址", "There is no such address"), code="KP-FIND-03"), request)
        if error.status_code == 405:
            answer = response(MethodRefused(), request)
            methods = methods_at(request)
            answer.headers["Allow"] = ", ".join(methods) if methods else (error.headers or {}).get("Allow", "GET, HEAD")
            return answer
        refusal = Malformed(Text(f"不支持：{error.detail}", f"Not supported: {error.detail}"))
        refusal.status = error.status_code
        return response(refusal, request)

    @app.exception_handler(Exception)
    async def defect(request: Request, error: Exception) -> JSONResponse:
        log.error("defect", exc_info=error, extra={"request_id": request.scope.get("kaipiao.request_id")})
        answer = response(Internal(), request)  # it leaves outside of what gives the others their fixed headers
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer
