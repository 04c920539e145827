// SQLite's protection against untrusted databases, which Swift cannot call because sqlite3_db_config is variadic.

#pragma once

/// Makes a connection defensive: triggers are disabled, the schema cannot call functions or virtual tables with side
/// effects, and statements cannot write to the schema table. `database` is a `sqlite3 *`. Returns an SQLite result
/// code.
int sqlite_guard(void *database);

/// Restricts a connection to reading and to functions that only compute: no ATTACH, PRAGMA or write, nothing that loads
/// code or reveals memory. Returns an SQLite result code.
int sqlite_restrict(void *database);

/// Limits the bytes of a text, blob or row on the connection; 0 restores SQLite's maximum.
void sqlite_limit_length(void *database, int bytes);

/// Interrupts any statement on the connection after `milliseconds` from now; 0 removes the limit.
void sqlite_limit_time(void *database, int milliseconds);
