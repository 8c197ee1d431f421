"""The certificates that outgoing connections trust: the system's, and those of one file."""

import os
import ssl
from pathlib import Path
from typing import Final

#: For errors: the remedy for a company with its own CA.
REMEDY: Final = "put your CA into the system's trust store, or name its file in AWB_CA_FILE"


def context(ca_file: "str | os.PathLike[str] | None" = None) -> ssl.SSLContext:
    """Return a client context that trusts the system's certificates (including SSL_CERT_FILE) and those of a file.

    Raises:
        OSError: the file cannot be read or contains no certificates.
    """
    import truststore  # noqa: PLC0415 - most commands open no connection of this kind

    made = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_file is not None:
        made.load_verify_locations(cafile=str(ca_file))
    return made


def problem(ca_file: Path) -> str | None:
    """Return why a file of certificates cannot be used; None if it can."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=str(ca_file))
    except ssl.SSLError:
        return f"the file {ca_file} holds no certificates in PEM form"
    except OSError as error:
        return f"the file {ca_file} cannot be read: {error.strerror or type(error).__name__}"
    return None


def own_problem(cert_file: Path, key_file: Path | None) -> str | None:
    """Return why a client certificate cannot be used with its key; None if it can.

    Args:
        cert_file: the certificate, and the certificates between it and its CA.
        key_file: its key; None if the same file contains it.
    """
    for file in (cert_file, key_file or cert_file):
        try:
            file.read_bytes()
        except OSError as error:
            return f"the file {file} cannot be read: {error.strerror or type(error).__name__}"
    try:
        # An empty password prevents OpenSSL from asking for one on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert_file, key_file, password="")  # nosec B106
    except (ssl.SSLError, ValueError):
        where = f"{key_file} holds its key" if key_file else "its key"
        return f"{cert_file} must hold a certificate in PEM form and {where}, without a password"
    return None


def is_untrusted(error: BaseException) -> bool:
    """Return whether an error, or its cause, is a certificate that is not trusted."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(seen):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
