"""A certificate authority that no system trusts, and a certificate of it for 127.0.0.1."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def write_private_authority(folder: Path) -> tuple[Path, Path]:
    """Two files: the authority's certificate; the server's certificate with its key."""
    folder.mkdir()
    authority_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Private authority")])
    server = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Server")])
    now, day = datetime.now(UTC), timedelta(days=1)

    def builder(subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        serial = x509.random_serial_number()
        return x509.CertificateBuilder(authority, subject, key.public_key(), serial, now - day, now + day)

    certificates = (
        builder(authority, authority_key).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True),
        builder(server, server_key).add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        ),
    )
    pem = serialization.Encoding.PEM
    own, servers = (each.sign(authority_key, hashes.SHA256()).public_bytes(pem) for each in certificates)
    key = server_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "authority.pem").write_bytes(own)
    (folder / "server.pem").write_bytes(servers + key)
    return folder / "authority.pem", folder / "server.pem"
