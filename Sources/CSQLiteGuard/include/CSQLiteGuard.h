// What SQLite offers for databases from strangers and Swift cannot call: sqlite3_db_config has variable arguments.

#pragma once

/// Makes a connection defensive: no trigger runs, the schema calls no function or virtual table with side effects, and
/// statements cannot write to the schema table. `database` is a `sqlite3 *`. Returns an SQLite result code.
int sqlite_guard(void *database);

/// Lets a connection only read, and call only functions that compute something from their arguments: no ATTACH, PRAGMA or
/// write, nothing that loads code or shows memory. Returns an SQLite result code.
int sqlite_restrict(void *database);

/// Limits the bytes of a text, blob or row on the connection; 0 goes back to the most that SQLite allows.
void sqlite_limit_length(void *database, int bytes);

/// Interrupts whatever statement runs on the connection after so many milliseconds from now; 0 ends the limit.
void sqlite_limit_time(void *database, int milliseconds);
