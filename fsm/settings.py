"""Configuration: environment variables, read once, into one frozen `Settings`."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path


class SettingsError(ValueError):
    """A variable is missing or unusable; the message names it and says what to put there."""


@dataclass(frozen=True, slots=True)
class S3Settings:
    """Where photos go when a bucket is configured."""

    bucket: str
    endpoint_url: str | None
    region: str
    access_key: str | None
    secret_key: str | None

    def __repr__(self) -> str:
        return f"S3Settings(bucket={self.bucket!r}, endpoint_url={self.endpoint_url!r})"


@dataclass(frozen=True, slots=True)
class MailSettings:
    """Where mail is handed over, and whom it is from. The URL may hold a password: the repr shows none."""

    url: str
    sender: str

    def __repr__(self) -> str:
        return f"MailSettings(sender={self.sender!r})"


@dataclass(frozen=True, slots=True)
class SealSettings:
    """The company's seal: a PKCS#12 file with its certificate and key."""

    file: Path
    password: str

    def __repr__(self) -> str:
        return f"SealSettings(file={str(self.file)!r})"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that differs between installations. Its repr shows no secret."""

    database_url: str
    owner_database_url: str
    secret: bytes
    public_url: str
    blob_dir: Path
    s3: S3Settings | None
    geocoder_url: str | None
    geocoder_user_agent: str
    pool_size: int
    max_request_bytes: int
    max_photo_bytes: int
    access_token_s: int
    refresh_token_s: int
    log_level: str
    device_requests: int = 1_200
    address_requests: int = 60_000
    device_registrations: int = 600
    feed_secret: bytes | None = None
    receipt_seed: bytes | None = None
    backup_database_url: str | None = None
    router_url: str | None = None
    mail: MailSettings | None = None
    seal: SealSettings | None = None

    def __repr__(self) -> str:
        return f"Settings(public_url={self.public_url!r}, s3={self.s3!r})"

    def derived_key(self, purpose: str) -> bytes:
        """Return 32 bytes for one purpose, so that no two uses share the installation's secret."""
        return sha256(b"fsm:" + purpose.encode() + b":" + self.secret).digest()

    @property
    def sync_token_key(self) -> bytes:
        """Key of the phones' feed tokens. Set apart from `secret` so that it may outlive a rotation."""
        return self.feed_secret or self.derived_key("feed-token")

    @property
    def receipt_key_seed(self) -> bytes:
        """32-byte Ed25519 seed that signs photo receipts."""
        return self.receipt_seed or self.derived_key("photo-receipt")


def asyncpg_dsn(url: str) -> str:
    """Return the URL in the form asyncpg reads, whichever of the usual spellings came in."""
    for prefix in ("postgresql+asyncpg://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql://" + url.removeprefix(prefix)
    if not url.startswith("postgresql://"):
        raise SettingsError(
            "FSM_DATABASE_URL must look like postgresql://user:password@host/database."
        )
    return url


def _integer(env: Mapping[str, str], name: str, default: int, *, least: int = 1) -> int:
    text = env.get(name, "")
    if not text:
        return default
    try:
        value = int(text)
    except ValueError:
        raise SettingsError(f"{name} must be a whole number, not {text!r}.") from None
    if value < least:
        raise SettingsError(f"{name} must be at least {least}.")
    return value


def _key(env: Mapping[str, str], name: str) -> bytes | None:
    text = env.get(name, "")
    if not text:
        return None
    try:
        key = bytes.fromhex(text)
    except ValueError:
        raise SettingsError(f"{name} must be 64 hexadecimal digits.") from None
    if len(key) != 32:
        raise SettingsError(f"{name} must be 64 hexadecimal digits, which are 32 bytes.")
    return key


def _mail(env: Mapping[str, str]) -> MailSettings | None:
    url, sender = env.get("FSM_SMTP_URL", ""), env.get("FSM_MAIL_FROM", "")
    if not url and not sender:
        return None
    if not url.startswith(("smtp://", "smtps://")):
        raise SettingsError("FSM_SMTP_URL must look like smtp://user:password@host:587?starttls=1.")
    if "@" not in sender:
        raise SettingsError("FSM_MAIL_FROM must be the address that mail is sent from.")
    return MailSettings(url, sender)


def read_settings(env: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of this process, or raise `SettingsError` with one sentence for the operator.

    `FSM_DATABASE_URL` (the application's login) and `FSM_SECRET` are needed; the rest has defaults.
    """
    env = os.environ if env is None else env
    database_url = env.get("FSM_DATABASE_URL", "")
    if not database_url:
        raise SettingsError(
            "FSM_DATABASE_URL is not set. Set it to postgresql://user:password@host/database, "
            "or run 'fsm demo', which brings its own database."
        )
    secret = env.get("FSM_SECRET", "")
    if len(secret) < 32:
        raise SettingsError(
            "FSM_SECRET must be at least 32 characters, kept secret and never changed lightly: "
            "it signs tokens. Make one with: python3 -c 'import secrets; print(secrets.token_hex())'"
        )
    s3 = None
    if bucket := env.get("FSM_S3_BUCKET"):
        s3 = S3Settings(
            bucket=bucket,
            endpoint_url=env.get("FSM_S3_ENDPOINT_URL") or None,
            region=env.get("FSM_S3_REGION", "us-east-1"),
            access_key=env.get("FSM_S3_ACCESS_KEY") or None,
            secret_key=env.get("FSM_S3_SECRET_KEY") or None,
        )
    return Settings(
        database_url=asyncpg_dsn(database_url),
        owner_database_url=asyncpg_dsn(env.get("FSM_OWNER_DATABASE_URL") or database_url),
        secret=secret.encode(),
        public_url=env.get("FSM_PUBLIC_URL", "http://127.0.0.1:8000").rstrip("/"),
        blob_dir=Path(env.get("FSM_BLOB_DIR", "blobs")).absolute(),
        s3=s3,
        geocoder_url=env.get("FSM_GEOCODER_URL") or None,
        geocoder_user_agent=env.get("FSM_GEOCODER_USER_AGENT", "fsm"),
        pool_size=_integer(env, "FSM_POOL_SIZE", 10),
        max_request_bytes=_integer(env, "FSM_MAX_REQUEST_BYTES", 2_000_000),
        max_photo_bytes=_integer(env, "FSM_MAX_PHOTO_BYTES", 64_000_000),
        access_token_s=_integer(env, "FSM_ACCESS_TOKEN_S", 600),
        refresh_token_s=_integer(env, "FSM_REFRESH_TOKEN_S", 30 * 86_400),
        log_level=env.get("FSM_LOG_LEVEL", "INFO").upper(),
        device_requests=_integer(env, "FSM_DEVICE_REQUESTS", 1_200, least=0),
        address_requests=_integer(env, "FSM_ADDRESS_REQUESTS", 60_000, least=0),
        device_registrations=_integer(env, "FSM_DEVICE_REGISTRATIONS", 600, least=0),
        feed_secret=_key(env, "FSM_FEED_KEY"),
        receipt_seed=_key(env, "FSM_RECEIPT_SEED"),
        backup_database_url=env.get("FSM_BACKUP_DATABASE_URL") or None,
        router_url=env.get("FSM_ROUTER_URL") or None,
        mail=_mail(env),
        seal=(
            SealSettings(Path(file).absolute(), env.get("FSM_SEAL_PASSWORD", ""))
            if (file := env.get("FSM_SEAL_FILE"))
            else None
        ),
    )
