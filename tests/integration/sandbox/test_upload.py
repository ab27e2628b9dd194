from __future__ import annotations

from .outside import Outside, invoice


def test_an_upload_is_confirmed_and_stands_in_the_books(bureau: Outside) -> None:
    numbers = bureau.pull(3)
    bureau.download()
    sllsh = bureau.upload([invoice(bureau, number) for number in numbers])
    assert [entry["status"] for entry in bureau.poll(sllsh)] == ["01", "01", "01"]
    bureau.advance(20)
    assert bureau.poll(sllsh) == [{"fphm": number, "status": "00", "message": "上传成功"} for number in numbers]
    assert [entry["number"] for entry in bureau.books()] == numbers
