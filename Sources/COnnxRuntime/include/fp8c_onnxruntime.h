#ifndef FP8C_ONNXRUNTIME_H
#define FP8C_ONNXRUNTIME_H
#include <stddef.h>
#include <stdint.h>

/* ONNX Runtime through its C table, found at run time: no header and no library of it is needed to
 * build. The table only ever grows at its end, so the slots below hold for every version that
 * accepts API version 5, the first one with session configuration entries. */

/// The loaded library with its table; opaque.
typedef struct fp8c_runtime fp8c_runtime;
/// A model ready to run; opaque.
typedef struct fp8c_session fp8c_session;
/// A tensor of the runtime; opaque.
typedef struct fp8c_value fp8c_value;

/// Loads the library and makes an environment that logs nothing.
///
/// On failure returns NULL and points `message` at a text that `fp8c_runtime_free_text` releases.
fp8c_runtime *fp8c_runtime_load(const char *path, char **message);
void fp8c_runtime_unload(fp8c_runtime *runtime);
void fp8c_runtime_free_text(char *text);
/// The library's own version, such as "1.32.0".
const char *fp8c_runtime_version(const fp8c_runtime *runtime);

/// Makes a session of a model in memory, optimizations off or at the default level.
///
/// `folder` is where data files of the model are looked for, NULL where it names none.
fp8c_session *fp8c_session_create(fp8c_runtime *runtime, const void *model, size_t size,
                                  const char *folder, int optimize, char **message);
void fp8c_session_free(fp8c_runtime *runtime, fp8c_session *session);

/// A tensor over memory of the caller, which must outlive it. `type` is a TensorProto.DataType.
fp8c_value *fp8c_value_create(fp8c_runtime *runtime, void *bytes, size_t size,
                              const int64_t *shape, size_t rank, int32_t type, char **message);
void fp8c_value_free(fp8c_runtime *runtime, fp8c_value *value);

/// Runs the session; fills `outputs`, which the caller frees. Returns 0, or -1 with `message`.
int fp8c_session_run(fp8c_runtime *runtime, fp8c_session *session, const char *const *input_names,
                     const fp8c_value *const *inputs, size_t input_count,
                     const char *const *output_names, size_t output_count, fp8c_value **outputs,
                     char **message);

/// The element type, rank and bytes of a tensor; 0, or -1 where the value is no tensor.
int fp8c_value_describe(fp8c_runtime *runtime, fp8c_value *value, int32_t *type, size_t *rank,
                        size_t *count, void **bytes);
/// Fills `shape` with as many sizes as the rank says.
int fp8c_value_shape(fp8c_runtime *runtime, fp8c_value *value, int64_t *shape, size_t rank);

#endif
