"""Synthetic sales: what a shop, an office or a café would send. Seeded, so that a run can be repeated."""

from __future__ import annotations

import random
from decimal import Decimal

GOODS = [
    ("餐饮服务", "工作午餐", "3070401000000000000", "0.06", "份", 18, 88),
    ("信息技术服务", "技术服务费", "3040203000000000000", "0.06", "月", 100, 1200),
    ("计算机外部设备", "无线键盘", "1090512020000000000", "0.13", "个", 59, 399),
    ("纸制品", "A4 复印纸", "1060105020000000000", "0.13", "箱", 90, 260),
    ("谷物加工品", "东北大米", "1030102010100000000", "0.09", "袋", 45, 180),
]
BUYERS = [
    ("示例商贸有限公司", "91440300MA5EXMPL1"),
    ("示例科技有限公司", "91110108MA01EXMP2"),
    ("示例餐饮管理有限公司", "91310115MA1K3XMP4"),
]


class Sales:
    """Makes sale after sale as a request body. `check` completes a 17-character code to a sound tax number."""

    def __init__(self, seller: str, seed: int, prefix: str) -> None:
        self._seller = seller
        self._random = random.Random(seed)  # noqa: S311 — repeatable test data, no secret
        self._prefix = prefix
        self._count = 0

    def next(self) -> dict[str, object]:
        """The next sale. Its order key travels in the remark, so that the bureau's book can be compared by it."""
        self._count += 1
        order = f"{self._prefix}-{self._count:07d}"
        name, number = self._random.choice(BUYERS)
        lines = [self._line() for _ in range(self._random.choice((1, 1, 1, 2, 3)))]
        return {
            "order": order,
            "seller": self._seller,
            "kind": self._random.choice(("general", "general", "special")),
            "buyer": {"name": name, "tax_number": with_check_character(number)},
            "tax_included": True,
            "lines": lines,
            "remark": f"order:{order}",
        }

    def _line(self) -> dict[str, object]:
        short, item, code, rate, unit, low, high = self._random.choice(GOODS)
        quantity = self._random.randint(1, 5)
        price = Decimal(self._random.randint(low * 100, high * 100)) / 100
        return {
            "name": item,
            "short_name": short,
            "tax_code": code,
            "tax_rate": rate,
            "unit": unit,
            "quantity": str(quantity),
            "unit_price": f"{price:.2f}",
        }


ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)


def with_check_character(code: str) -> str:
    """The 18th character of a unified social credit code (GB 32100-2015)."""
    total = sum(ALPHABET.index(character) * weight for character, weight in zip(code, WEIGHTS, strict=True))
    return code + ALPHABET[(31 - total % 31) % 31]
