#ifndef FP8C_H
#define FP8C_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Work on one ONNX model. A job is used by one thread at a time, but for `fp8c_job_cancel`.
typedef struct fp8c_job fp8c_job;

typedef enum {
  /// A warning, a remark or an error; `severity`, `identifier` and perhaps `file` and `node` are set.
  FP8C_DIAGNOSTIC,
  /// A line on what was done.
  FP8C_NOTE,
  /// What the command writes to standard output.
  FP8C_RESULT,
  /// `text` names a phase of which `done` of `total` are done; `total` is -1 where it is not known.
  FP8C_PROGRESS
} fp8c_event_kind;

/// What a job has to say; the strings live as long as the call.
typedef struct {
  fp8c_event_kind kind;
  const char *text;
  /// "error", "warning" or "remark", else NULL.
  const char *severity;
  /// What `fp8c explain` explains, else NULL.
  const char *identifier;
  const char *file;
  const char *node;
  int64_t done;
  int64_t total;
} fp8c_event;

/// Called on any thread, not on two at once.
typedef void (*fp8c_observer)(void *context, const fp8c_event *event);

/// A job for the model file at `path`; freed with `fp8c_job_free`.
fp8c_job *fp8c_job_new(const char *path);
void fp8c_job_free(fp8c_job *job);

/// The version of the compiler.
const char *fp8c_version(void);

/// Sets an option by the name that it has on the command line without its dashes: "config", "scale-method",
/// "calibration" (may be set more than once), "dump-stats-path", "onnxruntime", "target", "qdq", "jobs",
/// "memory-limit" (bytes) and "sync". Flags are "true" or "false".
///
/// Like every function that returns a number: 0, or the exit status that the command ends with, and then
/// `fp8c_job_error` says why. NULL for a job or a string is a usage error, 64, and does nothing.
int fp8c_job_set(fp8c_job *job, const char *name, const char *value);

void fp8c_job_observe(fp8c_job *job, fp8c_observer observer, void *context);

/// What `fp8c inspect` prints, as an event.
int fp8c_job_inspect(fp8c_job *job);

/// Runs the batches and writes the measurement files.
int fp8c_job_measure(fp8c_job *job);

/// Writes the FP8 model and its tables.
int fp8c_job_quantize(fp8c_job *job, const char *output);

/// Measures where needed and quantizes.
int fp8c_job_compile(fp8c_job *job, const char *output);

/// Proves `quantized` the job's model but for its quantization; with `count` paths of batches, runs both. What
/// `fp8c verify` prints comes as events; 1 where a difference was found.
int fp8c_job_verify(fp8c_job *job, const char *quantized, const char *const *inputs, size_t count);

/// Ends the work that is under way, and what follows, with an error; from any thread.
void fp8c_job_cancel(fp8c_job *job);

/// The last error as the command prints it, or NULL; lives until the next call with the job.
const char *fp8c_job_error(const fp8c_job *job);

#ifdef __cplusplus
}
#endif

#endif
