"""Removes what a top that is given up has made in the pods' Neutrons.

Its database says what that is; each object is looked for by the description
that the top gave it.  A port of a server stays, and so does its network.
"""
import os
import sqlite3
import uuid

KINDS = (('ports', 'port'), ('networks', 'network'), ('security-groups', 'security_group'))


def keys(database):
    """The descriptions of everything that is, or was to be, in a pod."""
    if not os.path.exists(database):
        return set()
    db = sqlite3.connect(database)
    try:
        rows = db.execute('SELECT kind, top_id FROM realization').fetchall()
    except sqlite3.OperationalError:  # it was never migrated
        return set()
    finally:
        db.close()
    return {'tricircle:%s:%s' % (kind, uuid.UUID(bytes=top)) for kind, top in rows}


def sweep(tb, database, sites):
    """Returns how many objects went."""
    wanted, gone = keys(database), 0
    if not wanted:
        return gone
    a = tb.Api()
    for site in sites:
        url = 'http://%s:9696/v2.0/' % site.ip
        for path, kind in KINDS:
            member = kind + 's'
            fields = '?fields=id&fields=description' + '&fields=device_id' * (kind == 'port')
            for o in a.call('GET', url + path + fields)[member]:
                if o['description'] not in wanted or o.get('device_id'):
                    continue
                try:
                    a.call('DELETE', url + path + '/' + o['id'])
                    gone += 1
                except tb.ApiError as e:
                    if e.code not in (404, 409):
                        raise
    return gone
