#include "CSQLiteGuard.h"

#include <sqlite3.h>
#include <stdint.h>
#include <time.h>

int sqlite_guard(void *database) {
  const struct { int option, value; } settings[] = {
    {SQLITE_DBCONFIG_DEFENSIVE, 1}, {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0}, {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
    {SQLITE_DBCONFIG_WRITABLE_SCHEMA, 0}, {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
  };
  for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
    int now, status = sqlite3_db_config(database, settings[i].option, settings[i].value, &now);
    if (status != SQLITE_OK) return status;
    if (now != settings[i].value) return SQLITE_MISUSE;
  }
  return SQLITE_OK;
}

// SQLite's scalar, aggregate, window, date, mathematical and JSON functions. Excluded are load_extension,
// fts3_tokenizer, functions that reveal connection state, and those that create blobs of any size.
static const char *const functions[] = {
    "abs", "char", "coalesce", "concat", "concat_ws", "format", "glob", "hex", "ifnull", "if", "iif", "instr",
    "length", "like", "likelihood", "likely", "lower", "ltrim", "max", "min", "nullif", "octet_length", "printf",
    "quote", "random", "replace", "round", "rtrim", "sign", "substr", "substring", "trim", "typeof", "unhex",
    "unicode", "unlikely", "upper", "avg", "count", "group_concat", "string_agg", "sum", "total", "date", "time",
    "datetime", "julianday", "unixepoch", "strftime", "timediff", "acos", "acosh", "asin", "asinh", "atan", "atan2",
    "atanh", "ceil", "ceiling", "cos", "cosh", "degrees", "exp", "floor", "ln", "log", "log10", "log2", "mod", "pi",
    "pow", "power", "radians", "sin", "sinh", "sqrt", "tan", "tanh", "trunc", "row_number", "rank", "dense_rank",
    "percent_rank", "cume_dist", "ntile", "lag", "lead", "first_value", "last_value", "nth_value", "json",
    "json_array", "json_array_length", "json_extract", "json_object", "json_type", "json_valid", "json_quote",
    "json_group_array", "json_group_object", "->", "->>",
};

static int may_do(void *nothing, int action, const char *first, const char *second, const char *schema,
                  const char *by) {
  (void)nothing, (void)first, (void)schema, (void)by;
  switch (action) {
    case SQLITE_SELECT: case SQLITE_READ: case SQLITE_RECURSIVE: case SQLITE_TRANSACTION: return SQLITE_OK;
    case SQLITE_FUNCTION:
      for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        if (second && sqlite3_stricmp(second, functions[i]) == 0) return SQLITE_OK;
      }
      return SQLITE_DENY;
    default: return SQLITE_DENY;
  }
}

int sqlite_restrict(void *database) { return sqlite3_set_authorizer(database, may_do, NULL); }

void sqlite_limit_length(void *database, int bytes) {
  sqlite3_limit(database, SQLITE_LIMIT_LENGTH, bytes > 0 ? bytes : 0x7fffffff);
}

static int64_t milliseconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// The deadline itself is passed as the pointer, so that nothing has to be freed.
static int is_late(void *deadline) { return milliseconds_now() > (int64_t)(intptr_t)deadline; }

void sqlite_limit_time(void *database, int milliseconds) {
  void *deadline = (void *)(intptr_t)(milliseconds_now() + milliseconds);
  sqlite3_progress_handler(database, milliseconds > 0 ? 10000 : 0, milliseconds > 0 ? is_late : NULL, deadline);
}
