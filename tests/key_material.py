"""Keys and certificates as others make them: by the `openssl` program, an implementation that is not ours."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

PASSWORD = b"correct horse \xe5\xbc\x80\xe7\xa5\xa8"
ID = "distid:1234567812345678"
CURVES = {"SM2": "SM2", "P-256": "prime256v1", "P-384": "secp384r1"}


class OpenSsl:
    """Runs `openssl` in a folder. File names are relative to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "password").write_bytes(PASSWORD + b"\n")

    def run(self, *words: str) -> bytes:
        done = subprocess.run(["openssl", *words], cwd=self.folder, capture_output=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
        return done.stdout

    def data(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def key(self, name: str, curve: str = "SM2") -> bytes:
        """PKCS#8 in PEM, also as a file."""
        if curve == "Ed25519":
            self.run("genpkey", "-algorithm", "ed25519", "-out", name)
        elif curve.startswith("RSA-"):
            self.run("genpkey", "-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{curve[4:]}", "-out", name)
        else:
            self.run("genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{CURVES[curve]}", "-out", name)
        return self.data(name)

    def authority(self, name: str, subject: str, curve: str = "SM2", days: int = 3650) -> bytes:
        """`name`.key and `name`.crt of a self-signed authority."""
        self.key(f"{name}.key", curve)
        words = ["-new", "-x509", "-key", f"{name}.key", *self._signing(curve), "-days", str(days)]
        self.run("req", "-utf8", *words, "-subj", f"/CN={subject}", "-out", f"{name}.crt")
        return self.data(f"{name}.crt")

    def issue(
        self,
        name: str,
        subject: str,
        above: str,
        curve: str = "SM2",
        days: int = 60,
        extensions: str = "keyUsage=critical,digitalSignature",
        signing: tuple[str, ...] | None = None,
    ) -> bytes:
        """`name`.crt for `name`.key (made if it is missing), signed by the authority `above` (of the same curve)."""
        if not (self.folder / f"{name}.key").exists():
            self.key(f"{name}.key", curve)
        (self.folder / "extensions").write_text(extensions + "\n")
        how = self._signing(curve) if signing is None else list(signing)
        request = ["-new", "-key", f"{name}.key", *self._signing(curve), "-subj", f"/CN={subject}"]
        self.run("req", "-utf8", *request, "-out", f"{name}.csr")
        issued = ["-in", f"{name}.csr", "-CA", f"{above}.crt", "-CAkey", f"{above}.key", "-set_serial", "7"]
        checked = ["-vfyopt", ID] if curve == "SM2" else []
        words = [*issued, *how, *checked, "-days", str(days), "-extfile", "extensions"]
        self.run("x509", "-req", *words, "-out", f"{name}.crt")
        return self.data(f"{name}.crt")

    def pkcs12(self, name: str, *more: str) -> bytes:
        words = ["-inkey", f"{name}.key", "-in", f"{name}.crt", "-passout", "file:password", *more]
        self.run("pkcs12", "-export", *words, "-out", f"{name}.p12")
        return self.data(f"{name}.p12")

    @staticmethod
    def _signing(curve: str) -> list[str]:
        return ["-sm3", "-sigopt", ID] if curve == "SM2" else ["-sha256"]


def openssl_in(folder: Path) -> OpenSsl:
    if shutil.which("openssl") is None:
        pytest.skip("the program openssl is not here: nothing of this test was run")
    return OpenSsl(folder)
