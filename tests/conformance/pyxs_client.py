#!/usr/bin/python3
"""Every call of pyxs against the daemon whose socket is the first argument.

Prints "all passed" and exits 0, or ends with a traceback. Without Xen there
are no guests: requests about them must say so.
"""

import errno
import os
import sys

import pyxs
from pyxs import Client, PyXSError
from pyxs._compat import xs as CompatXs
from pyxs.connection import UnixSocketConnection
from pyxs.client import Router

SOCKET = sys.argv[1]


def refused(code, call, *arguments):
    """Asserts that the call fails with this errno."""
    try:
        call(*arguments)
    except PyXSError as error:
        assert error.args[0] == code, (call, error)
    else:
        raise AssertionError("%r succeeded" % (call,))


def nodes(client):
    client.mkdir(b"/pyxs")
    client.mkdir(b"/pyxs")
    client.write(b"/pyxs/a", b"value")
    client[b"/pyxs/b/c"] = b"deep"
    assert client.read(b"/pyxs/a") == b"value"
    assert client[b"/pyxs/b/c"] == b"deep"
    assert client.read(b"/pyxs/missing", b"default") == b"default"
    refused(errno.ENOENT, client.read, b"/pyxs/missing")
    assert client.list(b"/pyxs") == [b"a", b"b"]
    assert client.exists(b"/pyxs/a") and not client.exists(b"/pyxs/missing")
    assert list(client.walk(b"/pyxs")) == [
        (b"/pyxs", b"", [b"a", b"b"]),
        (b"/pyxs/a", b"value", []),
        (b"/pyxs/b", b"", [b"c"]),
        (b"/pyxs/b/c", b"deep", []),
    ]
    assert [top for top, _, _ in client.walk(b"/pyxs/b", topdown=False)][-1] == b"/pyxs/b"
    client.delete(b"/pyxs/a")
    del client[b"/pyxs/b"]
    assert client.list(b"/pyxs") == []
    refused(errno.ENOENT, client.delete, b"/pyxs/no/such")


def permissions(client):
    client.write(b"/pyxs/p", b"")
    client.set_perms(b"/pyxs/p", [b"w5", b"r6"])
    assert client.get_perms(b"/pyxs/p") == [b"w5", b"r6"]
    refused(errno.ENOENT, client.get_perms, b"/pyxs/missing")


def transactions(client):
    assert client.transaction() > 0
    refused(errno.EALREADY, client.transaction)
    client.write(b"/pyxs/t", b"1")
    with Client(SOCKET) as other:
        assert not other.exists(b"/pyxs/t")
        assert client.commit() is True
        assert other.read(b"/pyxs/t") == b"1"

        client.transaction()
        client.write(b"/pyxs/t", b"2")
        client.rollback()
        assert client.read(b"/pyxs/t") == b"1"
        refused(errno.ENOENT, client.rollback)

        client.transaction()
        assert client.read(b"/pyxs/t") == b"1"
        other.write(b"/pyxs/t", b"3")
        client.write(b"/pyxs/u", b"4")
        assert client.commit() is False
        assert not client.exists(b"/pyxs/u")


def watches(client):
    with client.monitor() as monitor:
        monitor.watch(b"/pyxs/w", b"token")
        events = monitor.wait()
        assert next(events) == (b"/pyxs/w", b"token")
        client.write(b"/pyxs/w/below", b"x")
        assert next(events) == (b"/pyxs/w/below", b"token")
        assert monitor.watched == {b"/pyxs/w"}
        monitor.watch(b"@releaseDomain", b"special")
        monitor.watch(b"@introduceDomain", b"special")
        monitor.unwatch(b"@releaseDomain", b"special")
        monitor.unwatch(b"/pyxs/w", b"token")
        refused(errno.ENOENT, monitor.unwatch, b"/pyxs/w", b"token")
    with pyxs.monitor(unix_socket_path=SOCKET) as monitor:
        monitor.watch(b"/pyxs/w", b"again")
        assert next(monitor.wait()) == (b"/pyxs/w", b"again")


def domains(client):
    assert client.get_domain_path(7) == b"/local/domain/7"
    assert client.is_domain_introduced(0) is True
    assert client.is_domain_introduced(7) is False
    refused(errno.EINVAL, client.introduce_domain, 7, 1, 1)
    # pyxs asks for root itself before it sends these.
    client.SU = True
    refused(errno.ENOENT, client.release_domain, 7)
    refused(errno.ENOENT, client.resume_domain, 7)
    refused(errno.ENOENT, client.set_target, 7, 8)
    refused(errno.EINVAL, client.release_domain, 0)


def compatibility():
    """The interface of xen.lowlevel.xs."""
    os.environ["XENSTORED_PATH"] = SOCKET
    xs = CompatXs()
    xs.mkdir(0, b"/pyxs/compat")
    xs.write(0, b"/pyxs/compat/a", b"v")
    assert xs.read(0, b"/pyxs/compat/a") == b"v"
    assert xs.ls(0, b"/pyxs/compat") == [b"a"]
    assert xs.ls(0, b"/pyxs/compat/missing") is None
    xs.set_permissions(0, b"/pyxs/compat/a", [b"n0", b"r5"])
    xs.get_permissions(0, b"/pyxs/compat/a")
    tx_id = xs.transaction_start()
    xs.write(tx_id, b"/pyxs/compat/b", b"w")
    xs.transaction_end(tx_id)
    assert xs.read(0, b"/pyxs/compat/b") == b"w"
    assert xs.get_domain_path(3) == b"/local/domain/3"
    xs.watch(b"/pyxs/compat", b"token")
    assert xs.read_watch() == (b"/pyxs/compat", b"token")
    xs.unwatch(b"/pyxs/compat", b"token")
    xs.rm(0, b"/pyxs/compat")
    xs.close()


def connections():
    client = Client(router=Router(UnixSocketConnection(SOCKET)))
    client.connect()
    assert client.list(b"/tool") == [b"xenstored"]
    client.close()


def main():
    with Client(SOCKET) as client:
        nodes(client)
        permissions(client)
        transactions(client)
        watches(client)
        domains(client)
    connections()
    compatibility()
    with Client(SOCKET) as client:
        client.delete(b"/pyxs")
    print("all passed")


main()
