"""OpenStack Swift with its S3 API on one loopback port: `python swift_server.py DIRECTORY PORT`.

Proxy, account, container and object server of the package `swift` in one process, each a socket of
its own as in production, one copy of everything, one user (`key` of account `test`, `secret`).
Unlike rclone it checks the checksums it is sent and honours `If-None-Match: *`. Objects lie in files
with extended attributes; where the directory's file system has none they lie in memory.
"""

import os
import sys
import tempfile
from pathlib import Path

_COMMON = """
[DEFAULT]
swift_dir = {directory}
devices = {directory}/node
mount_check = false
bind_ip = 127.0.0.1
log_level = CRITICAL
"""
# An object's container has to know it at once: listings that lag are another matter, and on a busy
# machine the default of one second would bring them.
_BACKEND = (
    _COMMON
    + """
[app:main]
use = egg:swift#{server}
fallocate_reserve = 0
container_update_timeout = 60
"""
)
_PROXY = (
    _COMMON
    + """
[pipeline:main]
pipeline = catch_errors gatekeeper listing_formats bulk s3api tempauth slo versioned_writes proxy-server

[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
s3_acl = false
location = us-east-1
auth_pipeline_check = false
[filter:tempauth]
use = egg:swift#tempauth
user_test_key = secret .admin
[filter:slo]
use = egg:swift#slo
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_versioned_writes = true
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = false
"""
)
_SWIFT = """
[swift-hash]
swift_hash_path_suffix = tests
[storage-policy:0]
name = files
default = yes
"""


def main(directory: Path, port: int) -> None:
    """Serve until killed."""
    import eventlet

    eventlet.monkey_patch()
    import eventlet.wsgi
    from swift.common import utils, wsgi
    from swift.common.ring import RingBuilder
    from swift.common.utils.logs import NullLogger

    (directory / "node" / "disk").mkdir(parents=True)
    (directory / "swift.conf").write_text(_SWIFT)
    utils.set_swift_dir(str(directory))

    listening = {}
    for server in ("account", "container", "object"):
        listening[server] = eventlet.listen(("127.0.0.1", 0))
        builder = RingBuilder(part_power=1, replicas=1, min_part_hours=0)
        builder.add_dev(
            {
                "region": 1,
                "zone": 1,
                "weight": 1,
                "ip": "127.0.0.1",
                "port": listening[server].getsockname()[1],
                "device": "disk",
            }
        )
        builder.rebalance()
        builder.get_ring().save(str(directory / f"{server}.ring.gz"))
    listening["proxy"] = eventlet.listen(("127.0.0.1", port))

    threads = []
    for server, where in listening.items():
        config = directory / f"{server}-server.conf"
        kind = "mem_object" if server == "object" and not _has_attributes(directory) else server
        text = _PROXY if server == "proxy" else _BACKEND
        config.write_text(text.format(directory=directory, server=kind))
        app = wsgi.loadapp(str(config), global_conf={"log_name": server})
        threads.append(
            eventlet.spawn(
                eventlet.wsgi.server,
                where,
                app,
                NullLogger(),
                protocol=wsgi.SwiftHttpProtocol,
                capitalize_response_headers=False,  # boto3 wants ETag, not Etag
            )
        )
    for thread in threads:
        thread.wait()


def _has_attributes(directory: Path) -> bool:
    with tempfile.NamedTemporaryFile(dir=directory) as file:
        try:
            os.setxattr(file.fileno(), "user.swift.metadata", bytes(2_000))
        except OSError:
            return False
    return True


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
