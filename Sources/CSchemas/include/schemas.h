#ifndef FP8C_SCHEMAS_H
#define FP8C_SCHEMAS_H
#include <stddef.h>

/// One embedded file of `schemas/`: its path below that folder and its bytes.
typedef struct {
  const char *path;
  const unsigned char *bytes;
  size_t size;
} fp8c_schema;

/// All of them, sorted by path.
extern const fp8c_schema fp8c_schemas[];
extern const size_t fp8c_schema_count;

/// The file at an index below `fp8c_schema_count`.
static inline const fp8c_schema *fp8c_schema_at(size_t index) {
  return &fp8c_schemas[index];
}
#endif
