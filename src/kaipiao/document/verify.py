"""Verify any file: what is it, what does it say, and which of that holds.

`verify` gives a report for every input, however broken or hostile; it never raises for what is in the file.
"""

from __future__ import annotations

from dataclasses import replace

from kaipiao.document import container, package
from kaipiao.document.container import Container
from kaipiao.document.report import FieldValue, Layer, Report, Verdict, overall, report_json
from kaipiao.document.xml_kinds import verify_xml
from kaipiao.errors import KaipiaoError
from kaipiao.language import Text
from kaipiao.seal.port import Seal, SealVerifier

__all__ = ["FieldValue", "Layer", "Report", "Verdict", "report_json", "verify"]

_LAYERS = {Container.XML: "syntax"}
_LONGEST_FIELD = 500  # characters; a file can hold a megabyte where a number belongs


def verify(data: bytes, name: str, *, seal: Seal | None = None, sealer: SealVerifier | None = None) -> Report:
    """The report on one file. `name` is what the file is called; an ending that the content does not keep is a fault.

    `seal` is our own detached seal over exactly these bytes, judged by `sealer`; without them there is no such layer.
    """
    form = container.form_of(data, name)
    try:
        report = _judged(data, form)
    except KaipiaoError as error:
        reason = Text(f"无法读取：{error.detail.zh}", f"It cannot be read: {error.detail.en}")
        report = _report("unknown", (Layer(_LAYERS.get(form, "container"), Verdict.INVALID, reason),))
    layers = report.layers if seal is None else (*report.layers, _seal(data, seal, sealer))
    number = None if report.number is None else report.number[:_LONGEST_FIELD]
    fields = {key: value[:_LONGEST_FIELD] if isinstance(value, str) else value for key, value in report.fields.items()}
    return replace(report, number=number, fields=fields, layers=layers, overall=overall(layers), file=name)


def _judged(data: bytes, form: Container) -> Report:
    if form is Container.XML:
        return verify_xml(data)
    if form is Container.ZIP:
        return package.verify_package(data)
    if form is Container.PDF:
        return _pdf(data)
    return _report("unknown", (container.judge_other(data),))


def _pdf(data: bytes) -> Report:
    container.check_pdf(data)
    sound = Layer("container", Verdict.VALID, Text("PDF 首尾完整。", "The PDF has its head and its end."))
    content = Text("本版本不判断 PDF 的内容。", "This version does not judge what a PDF shows.")
    return _report("pdf", (sound, Layer("content", Verdict.NOT_JUDGED, content)))


def _report(kind: str, layers: tuple[Layer, ...]) -> Report:
    return Report(kind, None, {}, layers, overall(layers))


def _seal(data: bytes, seal: Seal, sealer: SealVerifier | None) -> Layer:
    if sealer is None:
        return Layer("seal", Verdict.NOT_JUDGED, Text("没有可核对签章的密钥。", "No key is at hand to check the seal."))
    if sealer.verify(data, seal):
        return Layer("seal", Verdict.VALID, Text("本平台的签章与文件一致。", "Our seal is over exactly these bytes."))
    return Layer("seal", Verdict.INVALID, Text("签章与文件不一致。", "The seal is not over these bytes."))
